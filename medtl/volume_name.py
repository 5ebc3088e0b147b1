"""What the name of a NIfTI file says of its contrast. Nothing in the file itself states one.

BIDS ends names in `_T1w`, `_T2w` or `_FLAIR` and marks contrast agent by `ce-gadolinium`; BraTS ends them in `t1c`,
`t1n`, `t2w`, `t2f` or in `t1ce`; hospitals write `T1W`, `flair` or `T1_post`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from medtl.dicom.weighting import FLAIR, OTHER, PROTON_DENSITY, T1, T2, T2_STAR, WITH_AGENT
from shared.io.archives import SEPARATOR

BY_NAME = "contrast {}, by the name of the file"
"""The note on a contrast that was read here."""
_AGENT = r"(?:post(?! ?op)(?: ?gd| ?contrast)?|gd|gado?|ce|c|km|enhanced)"
_NO_AGENT = r"(?:pre(?! ?op)(?: ?gd| ?contrast)?|nativ|native|n|plain)"
_T1 = rf"(?:(?:ce|gd) ?t1w?|(?:t1w?|mprage)(?: ?(?:{_AGENT}|{_NO_AGENT}))?)"
_WORDS = {
    OTHER: r"t[12](?: ?star)? ?map|pdt2|stir|tirm|tof|mra|mrv|dwi|dti|adc|bold|asl|perf|dsc|dce|mp2rage|unit1|ct|pet",
    FLAIR: r"t2w? ?flair|flair|flairw|t2f",
    T2_STAR: r"t2 ?starw?|swi|swan",
    T1: _T1,
    T2: r"t2w?",
    PROTON_DENSITY: r"pdw?",
}
"""Whole words that name a contrast, the longer ones first: "t2 flair" names one, "flair t2" two."""
_GIVEN = re.compile(
    rf"\b(?:(?:t1w?|mprage) ?{_AGENT}|(?:ce|gd) ?t1w?|(?:post)?(?:gd|contrast)|gad|gado[a-z]*|magnevist|dotarem)\b"
)
_NOT_GIVEN = re.compile(
    rf"\b(?:(?:t1w?|mprage) ?{_NO_AGENT}|ce (?:none|no)|(?:no|non|without|pre) ?(?:gd|gad|gadolinium|contrast))\b"
)
_UNCERTAIN = re.compile(r"\b(?:pre|post)\b")
"""Before or after contrast agent, or a treatment: where they do not follow T1, they may be either."""
_OTHER_MEANING = re.compile(r"(?:^|_)(?:sub|ses|run|task|dir|space|from|to|res|desc)-[a-z0-9+]*")
"""Entities of BIDS whose values are no contrasts of the image: `space-T1w` says on which it was laid. Source: BIDS
specification 1.9, appendix Entities."""
_BIDS_AGENT = re.compile(r"(?:^|_)ce-(?!no)[a-z0-9]+")
_SUFFIX = re.compile(r"(?:\.nii)?\.[a-z0-9]+$")


def contrast_of_volume(source: str) -> str:
    """Reads the contrast of a NIfTI volume from the name of its file; folders do not count.

    Only whole words count: none is looked for within another one. T1 and T2 may also be the first and the second time
    point, so a name with two contrasts, such as `a_T1_FLAIR`, says none.

    Args:
        source: Its path, or `archive.zip::member`.

    Returns:
        "T1", "T2", "FLAIR", "proton density" or "T2*", each also with " with contrast agent"; empty where the name says
        none or several, or leaves open whether contrast agent was given.

    Source: BIDS specification 1.9, MRI suffixes; file names of BraTS 2017 to 2023.
    """
    name = _SUFFIX.sub("", PurePosixPath(source.rpartition(SEPARATOR)[2]).name.lower())
    agent_by_entity = bool(_BIDS_AGENT.search(name))
    words = " ".join(re.sub(r"[^a-z0-9]+", " ", _OTHER_MEANING.sub("_", name)).split())
    found = _contrasts(words)
    if len(found) != 1 or found == {OTHER}:
        return ""
    if len({bool(_GIVEN.search(one)) for one in re.findall(rf"\b{_T1}\b", words) if one != "mprage"}) > 1:
        return ""  # "t1 to t1ce"
    not_given = bool(_NOT_GIVEN.search(words))
    given = agent_by_entity or (bool(_GIVEN.search(words)) and not not_given)
    if (given and not_given) or (not given and not not_given and _UNCERTAIN.search(words)):
        return ""
    return found.pop() + (WITH_AGENT if given else "")


def _contrasts(words: str) -> set[str]:
    """The contrasts that a name in lower case, words apart by blanks, says; each word counts once."""
    found, rest = set[str](), words
    for contrast, pattern in _WORDS.items():
        left = re.sub(rf"\b(?:{pattern})\b", "|", rest)
        if left != rest:
            found.add(contrast)
            rest = left
    return found
