"""How an MR image is weighted, and whether contrast agent was given: T1, T2, FLAIR, with contrast agent or without.

No element of a plain MR image states it, so three sources are asked: Acquisition Contrast, which enhanced objects have;
the times of the pulse sequence; the words of series and protocol. What none of them says, or what two say differently,
is not stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from medtl.dicom.values import float_of, functional_groups, read_each, text_of, texts_of, value_of

T1, T2, FLAIR, PROTON_DENSITY, T2_STAR, OTHER = "T1", "T2", "FLAIR", "proton density", "T2*", "other"
WITH_AGENT = " with contrast agent"
TERMS = {
    "T1": T1,
    "T2": T2,
    "FLUID_ATTENUATED": FLAIR,
    "PROTON_DENSITY": PROTON_DENSITY,
    "T2_STAR": T2_STAR,
    "STIR": OTHER,
    "TAGGING": OTHER,
    "FLOW_ENCODED": OTHER,
}
"""Defined terms of Acquisition Contrast; the others (UNKNOWN, MIXED) say nothing. Source: DICOM PS3.3, C.8.13.3.3.1."""
SHORT_ECHO_MS, LONG_ECHO_MS = 30.0, 70.0
SHORT_REPETITION_MS, LONG_REPETITION_MS = 1000.0, 1800.0
"""Limits of spin echoes: T1 with a short echo and repetition, T2 with both long, proton density with a short echo and a
long repetition; in between nothing is said. Textbooks draw them at echoes of 20 to 30 and 80 ms, and at repetitions of
700 to 800 and 2000 ms (McRobbie et al., MRI from Picture to Proton, 2017, chapter 3); ours leave room for 3 T, whose
repetitions are longer, and for effective echo times."""
GRADIENT_ECHO_MS, GRADIENT_STAR_MS = 10.0, 15.0
"""Limits of spoiled gradient echoes: T1 with an echo below the first, T2* above the second."""
SPOILED_FLIP_DEG = 5.0
"""Lowest flip angle of a spoiled gradient echo that is weighted by T1: below, proton density shows."""
FLUID_INVERSION_MS, FLUID_ECHO_MS = 1500.0, 60.0
"""Lowest inversion and echo time of FLAIR: fluid has no signal 1,650 to 2,500 ms after inversion, as repetitions go."""
T1_INVERSION_MS = (300.0, 1300.0)
"""Inversion times of prepared T1 images (MPRAGE, T1 FLAIR); below lies STIR, which darkens fat."""
WORDS = {
    FLAIR: r"flair|(?:tirm\b.*)?dark ?fluid",
    T2_STAR: r"t2 ?\*|t2 ?star|swi|swan|venobold|hemo|medic|gre t2|fgre",
    T2: r"t2|ciss|fiesta",
    T1: r"t1|mp ?rage|bravo|[fi]?r?spgr|vibe|thrive",
    PROTON_DENSITY: r"pd|dp|proton",
    OTHER: r"stir|tirm|tof|angio|mra|mrv|dwi|dti|adc|dir|mp2rage|asl|perf|phase|pc",
}
"""Words of Series Description and Protocol Name by which vendors and hospitals name a weighting."""
END_OF_WORD = r"(?:w?(?![a-z0-9*])|(?=(?:post|gd|pre|ce?|nativ)\b))"
"""What follows a weighting: its letter w (T1w), the end of the word, or a word on contrast agent (T1post)."""
T1_FLAIR = re.compile(r"t1\w* ?(?:dark ?fluid|flair)|(?:dark ?fluid|flair) ?t1")
"""A T1 image with suppressed fluid, which is no FLAIR."""
AGENT_WORDS = re.compile(
    r"(?<![a-z])(?:post|gd|gad\w*|km|ce|kontrast\w*|contrast\w*|contraste|enhanced|c ?\+|\+ ?c|magnevist|dotarem|"
    r"gadovist|omniscan|multihance|prohance|clariscan)(?![a-z])|(?<=t1)(?:post|gd|ce|c\b)|\+ ?(?:gd|km|c\b)"
)
NO_AGENT_WORDS = re.compile(
    r"(?<![a-z])(?:pre|nativ\w*|plain|non ?contrast|no contrast|without|w ?/ ?o|wo|ohne|sans|sin|senza|sem|bez)"
    r"(?![a-z])|(?<=t1)(?:pre|nativ)"
)
"""Words for an image after and before contrast agent was given; the second undo the first ("without contrast")."""
NONE_GIVEN = re.compile(r"no|none|n|0|nil|without|ohne|sans|-", re.IGNORECASE)
"""What consoles write into Contrast/Bolus Agent where none was given."""


@dataclass(frozen=True)
class Times:
    """The pulse sequence of an image; None or False where nothing is stated.

    Attributes:
        is_spin_echo: Whether it is a spin echo.
        is_gradient_echo: Whether it is a gradient echo, and no steady state of free precession.
        echo_ms: Echo time.
        repetition_ms: Repetition time.
        inversion_ms: Inversion time; 0 is none.
        flip_deg: Flip angle.
    """

    is_spin_echo: bool
    is_gradient_echo: bool
    echo_ms: float | None
    repetition_ms: float | None
    inversion_ms: float | None
    flip_deg: float | None


def read_weighting(dataset: Any, frames: int) -> str:
    """Reads how an MR image is weighted and whether contrast agent was given.

    Args:
        dataset: A pydicom dataset.
        frames: Number of its frames.

    Returns:
        "T1", "T2", "FLAIR", "proton density" or "T2*", each also with " with contrast agent"; empty where it is not
        stated, or where the sources contradict each other.

    Raises:
        InputRefused: An element is damaged.
    """
    words = _folded(f"{text_of(dataset, 'SeriesDescription')} {text_of(dataset, 'ProtocolName')}")
    stated = {TERMS[term] for term in _terms(dataset, frames) if term in TERMS}
    found = stated | weightings_of_words(words) | {weighting_of_times(one) for one in _times(dataset, frames)} - {""}
    agent = _agent(dataset, words)
    if len(found) != 1 or found == {OTHER} or agent is None:
        return ""
    return found.pop() + (WITH_AGENT if agent else "")


def weighting_of_name(name: str) -> str:
    """Reads how images are weighted from the word of a table: "flair", "t1_post", "T2".

    Args:
        name: The word, in any case.

    Returns:
        As `read_weighting` does; empty where the word names no weighting, or several.
    """
    words = _folded(name)
    found = weightings_of_words(words)
    agent = bool(AGENT_WORDS.search(words)) and not NO_AGENT_WORDS.search(words)
    return found.pop() + (WITH_AGENT if agent else "") if len(found) == 1 and found != {OTHER} else ""


def weightings_of_words(words: str) -> set[str]:
    """Lists the weightings that a description names.

    Args:
        words: Series Description and Protocol Name in lower case, with blanks for `_`, `-` and `.`.
    """
    if T1_FLAIR.search(words):
        return {T1}
    found = set[str]()
    rest = words
    for weighting, pattern in WORDS.items():
        # "t2 flair" is FLAIR and "t2 star" is T2*: what is found is taken out, with the T2 before it
        left = re.sub(rf"(?:\bt2w? ?)?(?<![a-z])(?:{pattern}){END_OF_WORD}", " ", rest)
        if left != rest:
            found.add(weighting)
            rest = left
    if FLAIR in found:
        found.discard(T2)
    return found


def weighting_of_times(times: Times) -> str:
    """Tells the weighting from the times of a pulse sequence; empty where they lie between the limits.

    Args:
        times: The pulse sequence.
    """
    echo, repetition, inversion = times.echo_ms, times.repetition_ms, times.inversion_ms or 0.0
    if echo is None or repetition is None:
        return ""
    if inversion:
        if inversion >= FLUID_INVERSION_MS:
            return FLAIR if echo >= FLUID_ECHO_MS else ""
        low, high = T1_INVERSION_MS
        return T1 if low <= inversion <= high and echo <= SHORT_ECHO_MS else ""
    if times.is_gradient_echo:
        return _of_gradient_echo(times, echo)
    if not times.is_spin_echo:
        return ""
    if repetition <= SHORT_REPETITION_MS:
        return T1 if echo <= SHORT_ECHO_MS else ""
    if repetition < LONG_REPETITION_MS:
        return ""
    return T2 if echo >= LONG_ECHO_MS else PROTON_DENSITY if echo <= SHORT_ECHO_MS else ""


def _of_gradient_echo(times: Times, echo: float) -> str:
    if echo >= GRADIENT_STAR_MS:
        return T2_STAR
    return T1 if echo <= GRADIENT_ECHO_MS and (times.flip_deg or 0.0) >= SPOILED_FLIP_DEG else ""


def _terms(dataset: Any, frames: int) -> set[str]:
    """Acquisition Contrast of the object and of its frames."""
    groups = functional_groups(dataset, frames)("MRImageFrameTypeSequence")
    return {text.upper() for text in read_each(groups, lambda group: text_of(group, "AcquisitionContrast")) if text}


def _times(dataset: Any, frames: int) -> Iterable[Times]:
    """The pulse sequences of the frames, each once. Source: DICOM PS3.3, C.8.3.1; C.8.13.5 of enhanced objects."""
    groups = functional_groups(dataset, frames)
    echoes = read_each(
        groups("MREchoSequence"), lambda one: float_of(one, "EffectiveEchoTime") or float_of(one, "EchoTime")
    )
    timing = read_each(
        groups("MRTimingAndRelatedParametersSequence"),
        lambda one: (float_of(one, "RepetitionTime"), float_of(one, "FlipAngle")),
    )
    inversions = read_each(groups("MRModifierSequence"), _inversion)
    sequence, variants = set(texts_of(dataset, "ScanningSequence")), set(texts_of(dataset, "SequenceVariant"))
    kind = text_of(dataset, "EchoPulseSequence").upper()
    gradient = ("GR" in sequence and "SE" not in sequence) or kind == "GRADIENT"
    balanced = text_of(dataset, "SteadyStatePulseSequence").upper() not in ("", "NONE") or variants == {"SS"}
    distinct = dict.fromkeys(zip(echoes, timing, inversions, strict=True))
    inverted = "IR" in sequence
    for echo, (repetition, flip), inversion in distinct:
        if inverted and not inversion:
            continue  # an inversion after an unknown time: MPRAGE, FLAIR or STIR
        yield Times("SE" in sequence or kind == "SPIN", gradient and not balanced, echo, repetition, inversion, flip)


def _inversion(group: Any) -> float | None:
    """The inversion time of a frame: Inversion Time, or the only one of Inversion Times."""
    if (single := float_of(group, "InversionTime")) is not None:
        return single
    several = texts_of(group, "InversionTimes")
    return float(several[0]) if len(several) == 1 and several[0] else None


def _agent(dataset: Any, words: str) -> bool | None:
    """Whether contrast agent was given; None where elements and words contradict each other.

    Where neither says anything, none was: the elements are required where an agent was used (DICOM PS3.3, C.7.6.4).
    """
    element = text_of(dataset, "ContrastBolusAgent")
    denied = bool(NONE_GIVEN.fullmatch(element))
    listed = next(iter(value_of(dataset, "ContrastBolusAgentSequence") or ()), None) is not None
    given = (bool(element) and not denied) or listed
    before = bool(NO_AGENT_WORDS.search(words))
    after = bool(AGENT_WORDS.search(words)) and not before
    if (given and (before or denied)) or (denied and after):
        return None
    return given or after


def _folded(text: str) -> str:
    return " ".join(re.sub(r"[_\-.]", " ", text.lower()).split())
