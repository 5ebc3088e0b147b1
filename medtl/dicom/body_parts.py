"""Which part of the body a header names, in the languages that consoles are used in.

A word refuses an image only where it is known to name another part than the head; what is not known is left to the
caller.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

HEAD = "the head"
ENGLISH_HEAD = (
    "*head* *brain* skull* orbit* iac *crani* *cereb* pituitar* hypophys* sella *encephal* temporal_bone* petrous*"
)
"""What DICOM PS3.16 annex L and English descriptions call the head and its parts. A star stands for any letters, a line
for a blank; words without a star are whole, and may have a plural s."""
FOREIGN_HEAD = """
    *kopf* *schadel* *schaedel* *hirn* *gehirn*
    tete crane cerveau *encefal*
    cabeza* craneo* cerebro*
    cabeca* cranio*
    testa cervello
    glowa glowy glowe mozg* czaszk*
    kafa kafatas* beyin* *krani*
    hoofd* hersen* *schedel*
    huvud* *hjarn* hode hodet hoved* *hjerne* kranie*
    hlav* mozek mozk* mozog lebk* lubanj* lobanj* mozak mozg*
    fej fejrol koponya* agy agyi aivo* kallo*
    kepala otak tengkorak creier* craniu* so_nao galv* smegen* smadzen*
    κεφαλ* εγκεφαλ* κρανι*
    голов* мозг* мозок мозк* мозък мозак череп* глава *краниальн* гипофиз* орбит*
    头 頭 脑 腦 脳 颅 顱 垂体 垂體 トウブ アタマ あたま
    머리 두부 뇌 두개
    رأس دماغ مخ جمجمة
    سر مغز
    ראש מוח
    सिर मस्तिष्क दिमाग
    ศีรษะ สมอง
"""
"""The same in German, French, Spanish, Portuguese, Italian, Polish, Turkish, Dutch, the Nordic and other Slavic
languages, Hungarian, Finnish, Indonesian, Romanian, Greek, the languages of the Cyrillic script, Chinese and Japanese,
Korean, Arabic, Persian, Hebrew, Hindi and Thai."""
DOUBTFUL_HEAD = "*neuro* bas capo paa dau"
"""Words that mean the head unless another part is named: neurology sees spines too, and "bas" is low in French."""
SPINE, LIMB, TRUNK, NECK = "the spine", "a leg or an arm", "the trunk", "the neck"
OTHER_PARTS = {
    SPINE: """
        spine spinal spines *spine lumbar lumbo* sacral sacrum sacroil* coccyx cspine lspine tspine ctspine tlspine
        *wirbel* hws bws lws ruckenmark* rueckenmark* kreuzbein*
        rachis rachid* columna coluna colonna rachide lombar* lombair*
        kregoslup* kregow* omurga* wervel* ryggrad* rygg ruggengraat
        kicm* chrbtic* hrbtenic* gerinc* selkaranka* coloana tulang_belakang cot_song
        σπονδυλ* позвоноч* спинн* поясни* хребет* хребт* гръбна*
        脊柱 脊椎 脊髓 脊髄 腰椎 颈椎 頸椎 頚椎 胸椎 骶 椎间盘 椎間板 ヨウツイ ケイツイ キョウツイ
        척추 요추 경추 흉추 척수
        فقر فقرات عمود_فقري
        ستون_فقرات
        רצועה_שדרה שדרה
        रीढ़ กระดูกสันหลัง
    """,
    LIMB: """
        knee ankle foot feet hip femur femor* thigh leg calf tibia* fibula* toe extremit* shoulder elbow wrist hand
        finger thumb forearm humer* clavicle scapula* heel limb metatars* metacarp*
        *knie* *sprunggelenk* fuss *hueft* *huft* *schenkel* schulter* *ellenbogen* *ellbogen* handgelenk* *oberarm*
        *unterarm*
        genou* cheville* pied hanche* cuisse* jambe* epaule* coude* poignet* avant_bras
        rodilla* tobillo* cadera* muslo* pierna* hombro* codo muneca* brazo antebrazo
        joelho* tornozelo* quadril coxa perna ombro* cotovelo* punho* braco antebraco
        ginocchi* cavigli* piede coscia gamba spalla spalle gomito polso braccio
        kolan* skokow* stopa stopy biodr* barku barkow* ramie ramien* lokiec lokc* nadgarst* udo
        ayak kalca uyluk omuz dirsek bilek bacak
        enkel voet heup* schouder* elleboog*
        fotled knæ hoft* armbage handled ankel skulder albue handledd
        kolen* koljen* kotnik* kycl* kycel* ramen* loket zapest*
        terd* csipo* konyok* polv* nilkk* olkap* lonk*
        lutut bahu pinggul panggul genunchi* dau_goi khop_goi
        γονατ* ωμος ωμου ισχι* αστραγαλ*
        колен* колін* колян* голеност* стопа стопы бедр* бедер* тазобедр* плеч* локт* локот* запяст* лучезапяст*
        рука руки нога ноги
        膝 踝 足部 足关节 足関節 髋 髖 股关节 股關節 股関節 股骨 大腿 小腿 下腿 肩 肘 手腕 手关节 手関節
        手指 上腕 前腕 上肢 下肢 ヒザ ひざ カタカンセツ コカンセツ
        무릎 슬관절 발목 족관절 고관절 대퇴 어깨 견관절 팔꿈치 주관절 손목 손가락 상지 하지
        ركبة كاحل قدم ورك فخذ كتف مرفق معصم رسغ ساق
        زانو شانه مچ
        ברך כתף קרסול ירך
        घुटन कंधा टखना कूल्ह
        เข่า ไหล่ ข้อเท้า สะโพก
    """,
    TRUNK: """
        abdom* liver spleen* pancrea* kidney renal bladder pelvi* prostat* uter* ovar* testis testes breast mamm* chest
        thorax thorac* torax lung pulmon* heart cardi* colon bowel stomach esophag* rib sternum mrcp *enterogra*
        *bauch* *leber* milz niere* becken* *brust* lungen herz
        foie bassin poitrine coeur
        higado rinon* pecho corazon vientre
        figado bacia peito coracao barriga
        fegato bacino petto torace toracic* cuore mammella addom*
        brzuch* watrob* nerk* miednic* piers* klatk* serc* pluc*
        batin karaciger bobrek gogus kalp akciger toraks
        buik nier nieren bekken borst
        buken njure* backen brost* hjarta* brystet bryst
        brich* jatr* pecen* ledvin* panev* panv* hrud* srdc* trbuh jetra
        hasi sziv* medence* vatsa* maksa* rinta* sydan lantio*
        perut jantung payudara ficat piept inim*
        κοιλι* ηπαρ* θωρακ* λεκαν* μαστ* καρδι*
        живот* брюшн* печен* почк* почек таз таза груд* серд* легких легкие молочн* простат* черев*
        腹 肝 肾 腎 胰 膵 盆腔 骨盆 骨盤 胸部 胸腔 乳腺 乳房 心脏 心臟 心臓 肺 前列腺 前立腺 子宫 子宮 フクブ キョウブ
        コツバン
        복부 신장 췌장 골반 흉부 가슴 유방 심장 전립선 자궁 간장
        بطن كبد كلية كلى حوض صدر ثدي قلب رئة بروستات
        شکم لگن سینه
        בטן כבד אגן חזה
        पेट छाती यकृत हृदय स्तन श्रोणि
        ท้อง ตับ ทรวงอก หัวใจ เต้านม เชิงกราน
    """,
}
"""Words for parts other than the head in the same languages, also within free texts. What means something else
there, or may be a name ("neck" and "vertebral" of a vessel study, "sein", "Hart"), is left out."""
OTHER_CODED_PARTS = {
    SPINE: "vertebr* pater patere ryg",
    LIMB: "arm bein bark pie diz pols axel boka kostka anca vall* umar mano kna kne kuk rame 足 手",
    TRUNK: "aort* trunk lunge lever has maj mell* meme hart ventre bung 폐 karin mama dada",
    NECK: """
        neck cervical carotid* thyroid* larynx hals cou cuello pescoco collo szyja szyi
        boyun nek kaula kaulan krk nyak leher λαιμ* шея шеи 颈 頸 頚 경부 رقبة ענק צוואר गर्दन
    """,
    "the face": "face jaw mandib* maxill* ear eye",
    "the whole body": "wholebody body phantom back bone",
}
"""Words that name another part where nothing but a body part may stand, in Body Part Examined."""
BONE_HEADS = {
    LIMB: r"(?:(?:femor|humer|radi|fibul|metatars|metacarp)\w* |\bhip )head|head (?:of )?(?:the )?(?:left |right )?"
    r"(?:femur|humerus|radius|fibula)|\w*(?:huft|hueft|femur|schenkel|oberarm|humerus|radius|speichen)kopf\w*|"
    r"tete (?:de l? ?|du )?(?:femor|femur|humer)\w*|cabe[zc]a (?:de |del |do |da )*(?:femor|femur|humer|umer)\w*|"
    r"testa (?:del |dell |di )?(?:femor|omer)\w*|glow\w (?:kosci )?(?:udow|ramien)\w*|головк\w*|"
    r"(?:股骨|肱骨|桡骨|橈骨|骨)[头頭]|大腿骨頭|上腕骨頭|(?:대퇴|상완)골? ?두부?",
    TRUNK: r"pancrea\w* head|head of (?:the )?pancreas|pankreaskopf|[胰膵][头頭]部?|췌장? ?두부?",
    SPINE: r"спинн\w* мозг\w*|rdzen\w* kregow\w*",
}
"""Parts that are called a head, or a brain, and belong to neither: that of the thigh bone, say."""
POSITION = re.compile(r"\bhead first\b|\bhfs\b")
"""The position of the patient in the scanner. Source: DICOM PS3.3, C.7.3.1.1.2."""
LETTERS = str.maketrans("łŁıİøØđĐ", "lLiIoOdD")
"""Letters with strokes and Turkish i, which Unicode does not take apart."""
WITHOUT_BLANKS = ("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "THAI", "DEVANAGARI")
"""Scripts, by the names of their letters in Unicode, whose words are not parted by blanks."""
WITH_ARTICLES = ("ARABIC", "HEBREW")
"""Scripts whose words carry articles and endings; those of two letters are matched whole, for many others hold them."""


@lru_cache(maxsize=64)  # the slices of a series say the same
def part_of(text: str, *, coded: bool) -> str | None:
    """Says which part of the body a text names.

    A text that names the head and another part, such as head and neck, is of the head.

    Args:
        text: Body Part Examined or a description, in any language.
        coded: Whether nothing but a body part may stand there, so that words of several meanings count too.

    Returns:
        `HEAD`, a part of `OTHER_PARTS` or `OTHER_CODED_PARTS`, or None where no word is known.
    """
    words = POSITION.sub(" ", _folded(text))
    other = None
    for part, pattern in BONE_HEADS.items():
        rest = re.sub(pattern, " ", words)
        other, words = (part if rest != words else other), rest
    if _pattern(f"{ENGLISH_HEAD} {FOREIGN_HEAD}").search(words):
        return HEAD
    tables = (OTHER_PARTS, OTHER_CODED_PARTS) if coded else (OTHER_PARTS,)
    known = ((part, listed) for table in tables for part, listed in table.items())
    other = other or next((part for part, listed in known if _pattern(listed).search(words)), None)
    return other or (HEAD if _pattern(DOUBTFUL_HEAD).search(words) else None)


def is_english_head(text: str) -> bool:
    """Says whether a text names the head as DICOM does.

    Args:
        text: Body Part Examined.
    """
    return bool(_pattern(ENGLISH_HEAD).search(_folded(text)))


def _folded(text: str) -> str:
    """The letters of a text in lower case, without accents; all else is blank."""
    apart = unicodedata.normalize("NFKD", text.translate(LETTERS))
    plain = "".join(one for one in apart if not "\u0300" <= one <= "\u036f" and not "\u064b" <= one <= "\u0655")
    return re.sub(r"[\W\d_]+", " ", unicodedata.normalize("NFC", plain).casefold())


@cache
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile("|".join(_alternatives(words.split())))


def _alternatives(words: Iterable[str]) -> Iterable[str]:
    for word in dict.fromkeys(words):
        core = _folded(word.strip("*")).strip()
        script = unicodedata.name(core[0])
        if script.startswith(WITHOUT_BLANKS) or (script.startswith(WITH_ARTICLES) and len(core) > 2):
            yield re.escape(core)
        else:
            start = "" if word.startswith("*") else r"\b"
            yield start + re.escape(core) + ("" if word.endswith("*") else r"s?\b")
