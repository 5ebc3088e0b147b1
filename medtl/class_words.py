"""Words from which people make the names of class folders, in several languages: they tell words from patients' names.

From them comes a proposal of what an unknown folder may mean. It is never acted upon: `fei_zhongliu`, `tumorfrei` and
`abnormal` are read right here, but the next name may not be, and a tumour taken for healthy is the mistake that harms.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import lru_cache
from typing import Literal

from medtl.labels import NO_TUMOUR, TUMOUR
from shared.samples import LEAVE_OUT

Sense = Literal[
    "not", "healthy", "tumour", "glioma", "meningioma", "pituitary", "metastasis", "other", "label", "plain", "joining"
]

_WORDS: dict[Sense, str] = {
    "not": "no non not none without free absent negative neg nil kein keine keinen ohne frei nein sans pas aucun "
    "aucune absence sin libre ninguno ausencia sem livre nao senza nessun nessuna privo assente yok degil olmayan "
    "hayir siz suz bez brak nie net niet otsutstvie wu bu fei meiyou wei geen zonder ingen utan uden ei nincs "
    "fara nashi без нет не χωρις بدون لا बिना 无 無 非 没有 なし 없음 없는 무",
    "healthy": "healthy health normal normals norm control controls ctrl hc hcs nc cn gesund gesunde gesunder "
    "kontrolle kontrollen sain saine sains temoin temoins sano sana sanos controles normales saudavel saudaveis "
    "controle normais controllo controlli sani normale normali saglikli saglam kontrol zdrowy zdrowe zdrowi "
    "kontrola kontrolna prawidlowy zdorov zdorovy zdorovyi zdorovye zdorovyj norma jiankang zhengchang duizhao "
    "gezond normaal frisk friska terve egeszseges zdravy zdrave sanatos kenko seijo здоровый здоровые здоров "
    "норма контроль υγιης φυσιολογικο سليم طبيعي स्वस्थ सामान्य 正常 健康 对照 對照 정상 healthysubject unremarkable "
    "unauffallig",
    "tumour": "tumor tumors tumour tumours tumoral tumorous tumoren positive pos yes lesion lesions mass masses "
    "neoplasm neoplasms neoplasia cancer cancers cancerous malignant malignancy malign benign bengin abnormal "
    "finding findings befund diseased disease pathological pathology patients unhealthy ungesund anormal anormale "
    "anormaux tumeur tumeurs lesione lesioni massa krebs krank geschwulst cancro tumore tumori maligne benigne "
    "maligno benigno masa lesao tumores kanser kanserli tumoru tumorlu kitle guz guza guzy nowotwor nowotwory rak "
    "zlosliwy lagodny opukhol opuhol opuholi opukholi zlokachestvennaya zhongliu liu zhong exing liangxing "
    "aizheng gezwel svulst daganat kasvain nador shuyo tumer tumur tumr tumro опухоль опухоли рак ογκος ογκο ورم "
    "أورام ट्यूमर 肿瘤 腫瘤 腫瘍 癌 病变 종양",
    "glioma": "glioma gliomas glioblastoma glioblastomas gbm hgg lgg astrocytoma oligodendroglioma ependymoma "
    "gliom gliome gliomes glioblastom gliomi gliyom glejak jiaozhiliu глиома γλοιωμα 胶质瘤 膠質瘤 교모세포종 신경교종",
    "meningioma": "meningioma meningiomas meningeoma meningeom meningiom meningiome meningiomi meningiomes "
    "menenjiyom oponiak naomoliu менингиома μηνιγγιωμα 脑膜瘤 腦膜瘤 수막종",
    "pituitary": "pituitary adenoma adenomas hypophyse hypophysis hypophysaire hypophysenadenom hipofisis "
    "hipofisario hipofise ipofisi ipofisario hipofiz przysadka gruczolak gipofiz chuiti аденома 垂体",
    "metastasis": "metastasis metastases metastatic metastase metastasen metastasi metastaz przerzut przerzuty "
    "metastazy mets zhuanyi метастаз 转移 轉移 전이",
    "other": "pred preds predict prediction predictions unlabeled unlabelled unlabel unknown unsorted unclear "
    "evaluation eval holdout inference external submission query todo unsure maybe uncertain untitled "
    "uncategorized uncategorised unclassified undiagnosed other others misc extra rest various ignore ignored "
    "exclude excluded discard discarded bad trash backup old copy copies artifact artifacts artefact artefacts "
    "mask masks segmentation segmentations annotation annotations sample samples example examples demo temp tmp "
    "augmented augmentation aug rotated flipped mirrored gan synthetic fake generated results output outputs",
    "label": "label labels labelled labeled name names diagnosis diagnoses",
    "plain": "brain brains head cerebral cranial intracranial gehirn hirn kopf cerveau cerebro cerebrais "
    "cerebrale cervello encefalo beyin mozg mozgu golovnogo nao danao hersenen мозг мозга 脑 腦 뇌 with mit class "
    "classes classe klasse kategorie category type group grade pat patient sub case cases subject subjects person "
    "people image images img imgs picture pictures photo photos bild bilder data dataset datasets set file files "
    "folder scan scans slice slices mri mr mrt irm rm rmn ct t1 t2 t1c t1ce t1w t2w flair dwi axial coronal "
    "sagittal weighted jpg png dicom nifti dcm br35h brats rcnn figshare kaggle detection classification "
    "challenge competition cheng navoneel sartaj new all full final clean cleaned cropped resized processed "
    "preprocessed raw original originals archive download downloads collection train training test testing val "
    "valid validation sinif klass klasa schwannoma lymphoma medulloblastoma craniopharyngioma carcinoma germinoma "
    "ganglioglioma granuloma neurocytoma neurocitoma papilloma tuberculoma ordner neuer grp low high ii iii iv "
    "abscess stroke infarct haemorrhage hemorrhage bleeding cyst oedema edema atrophy dementia sclerosis "
    "alzheimer",
    "joining": "and or of the in de del di da do et y e au a la le les un una tr ts lei zu",
}
KINDS: tuple[Sense, ...] = ("glioma", "meningioma", "pituitary", "metastasis")
_PERSON = frozenset({"patient", "pat", "case", "subject", "sub", "person"})
"""Words that with a number stand for one person (`case12`)."""
_SHORT = frozenset({"hc", "nc", "cn", "no"})
"""Words of two Latin letters that are shown all the same; others may be initials."""
_TWO_MEANINGS = frozenset({"nao"})
"""Words that mean opposite things in two languages: `nao` is "not" in Portuguese, and "brain" in Chinese."""
_NAMES = (
    "benigno bez brak bu case cheng fei free frei frisk guz head high irma kitle krebs libre liu low mass massa mit "
    "nao nashi navoneel net nie norm norma pat pos rak sain sana sani sano sartaj saglam sem sin sub train val wei wu "
    "zhong"
)
_NAMES_TOO = frozenset(_NAMES.split())
"""Words that are names of persons as well: alone, or with joining words only (`De_Massa`), they are not shown."""
_CLOSE = 0.85
"""Likeness from which a word of seven letters or more is taken for a slip of the pen in another one: one letter in
seven. Shorter ones are near to first names (Norman, Gloria), which must not be shown."""
_SHORTEST_JOINED, _LONGEST_NEEDED = 3, 4
"""Letters of every word but "not" that is written together with others (`kein` and `tumor` in `keintumor`), and of one
of them at least: shorter ones are ends of names (`Case-y`, `And-y`, `Lei-la`)."""
_UNFOLDED = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "ß": "s"})


def _folded(name: str) -> str:
    """The name in lower case, without accents, its words parted by blanks: `NonTumor_2` becomes `non tumor 2`."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    letters = unicodedata.normalize("NFKD", parted.casefold().translate(_UNFOLDED))
    plain = "".join(one for one in letters if not unicodedata.category(one).startswith("M"))
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", plain)))


_SENSES: dict[str, set[Sense]] = {}
for _sense, _words in _WORDS.items():
    for _word in _words.split():
        _SENSES.setdefault(_folded(_word), set()).add(_sense)
_LONGEST = max(map(len, _SENSES))
_LONG_WORDS = [word for word in _SENSES if len(word) >= 7]


def nearest_class(name: str) -> str | None:
    """Proposes what the name of a folder or label may mean that is no known class.

    Args:
        name: The name as it is found.

    Returns:
        A known class, or `LEAVE_OUT`; "" where the name is made of words and means none of these, or two of them;
        None where a part of it is no word that is known here, and so may be a person's name.
    """
    words = _words_of(_folded(name))
    if words is None:
        return None
    numbers, words = [word for word in words if word.isdigit()], [word for word in words if not word.isdigit()]
    names = words and all(_may_be_a_name(word) for word in words)
    if names or (numbers and _PERSON.intersection(words)):
        return None
    if _TWO_MEANINGS.intersection(words):
        return ""
    return _meaning(set[Sense]().union(*(_SENSES[word] for word in words)))


def _may_be_a_name(word: str) -> bool:
    initials = len(word) < 3 and word.isascii() and word not in _SHORT
    return initials or word in _NAMES_TOO or _SENSES[word] == {"joining"}


def _meaning(senses: set[Sense]) -> str:
    found = [name for name in KINDS if name in senses]
    finding, healthy, negated = bool(found) or "tumour" in senses, "healthy" in senses, "not" in senses
    if "other" in senses:
        return LEAVE_OUT
    if finding and healthy:
        return ""
    if negated and "label" in senses:
        return LEAVE_OUT
    if negated:
        return TUMOUR if healthy else NO_TUMOUR if not found else ""
    if healthy:
        return NO_TUMOUR
    if len(found) == 1:
        return found[0]
    return TUMOUR if finding else ""


def _words_of(text: str) -> list[str] | None:
    """Cuts a folded name into known words; None where a part of it is none, nor near to a long one."""
    words: list[str] = []
    for part in text.split():
        cut = _cut(part)
        if cut is not None and not _is_written_together(cut):
            cut = None
        if cut is None and len(part) >= 6:
            cut = _near(part)
        if cut is None:
            return None
        words += cut
    return words


def _near(text: str) -> tuple[str, ...] | None:
    """The long word in which a text is a slip of the pen; of nearly its length, for two letters more may be a "no"."""
    words = [word for word in _LONG_WORDS if abs(len(word) - len(text)) < 2]
    return tuple(difflib.get_close_matches(text, words, n=1, cutoff=_CLOSE)) or None


def _is_written_together(words: tuple[str, ...]) -> bool:
    """Whether people write these words as one, and the whole is not rather a name that they happen to make up."""
    spoken = [word for word in words if not word.isdigit()]
    if len(spoken) < 2 or not all(word.isascii() for word in spoken):
        return True
    lengths = [len(word) for word in spoken if "not" not in _SENSES[word]]
    joined = any(_SENSES[word] == {"joining"} for word in spoken)
    return not joined and bool(lengths) and min(lengths) >= _SHORTEST_JOINED and max(lengths) >= _LONGEST_NEEDED


@lru_cache(maxsize=1024)
def _cut(text: str) -> tuple[str, ...] | None:
    """Cuts a text without blanks into known words and numbers of up to two digits, the longest word first."""
    if not text:
        return ()
    ends = range(min(_LONGEST, len(text)), 0, -1)
    for end in ends:
        head = text[:end]
        known = head in _SENSES or (head.isdigit() and end <= 2 and not text[end : end + 1].isdigit())
        if known and (rest := _cut(text[end:])) is not None:
            return (head, *rest)
    return None
