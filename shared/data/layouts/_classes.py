"""From the folders and labels of a layout to classes: those that are known, those that are told, and a question.

A folder that an application does not know may hold anything: healthy heads under another word, images to be predicted,
or the scans of a patient under his name. So it is neither taken for a class nor named, unless it is a word.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import yaml

from shared.data.layouts._layout import ImageEntry, Layout, Search
from shared.errors import ConfigError, MeaningError
from shared.samples import LEAVE_OUT

MOST_SHOWN = 8
"""Names that a message shows; the rest is counted."""
SIMPLE_KEY = re.compile(r"[^\s.=:{}\[\],\"'#&*!|>%@`$\\;()<>?~]+")
"""Names that stand in `data.classes.NAME=CLASS` on a command line as they are, without quotes."""


def folded(name: str) -> str:
    """Brings the name of a folder or label to the form in which names are compared: case, blanks and hyphens are one.

    Accents stay; a letter and its accent count as one character, for macOS stores them as two.
    """
    plain = unicodedata.normalize("NFC", name).strip().casefold()
    return re.sub(r"[\s\-_]+", "_", plain)


def require_meanings(classes: Mapping[str, str], search: Search) -> None:
    """Checks that what `data.classes` says can be done, whatever the data are.

    Args:
        classes: The class, or `LEAVE_OUT`, by the name of a folder or label.
        search: What the application looks for; its `is_class` decides which classes are known.

    Raises:
        ConfigError: A meaning is no class that the application knows, or one name has two meanings.
    """
    for name, meaning in classes.items():
        if meaning != LEAVE_OUT and not (search.is_class(meaning) or (search.nearest is None and meaning)):
            raise ConfigError(
                f"data.classes: {meaning!r} is no known class; allowed are {', '.join(search.classes)} in any known "
                f"spelling, and {LEAVE_OUT}"
            )
        twins = [other for other in classes if folded(other) == folded(name) and classes[other] != meaning]
        if twins:
            raise ConfigError(f"data.classes: {name!r} and {twins[0]!r} are one name with two meanings; keep one")


def settled(layout: Layout, search: Search, classes: Mapping[str, str]) -> Layout:
    """Gives each entry of a layout the class that its folder or label means, and leaves out what is told to be.

    Args:
        layout: The layout as it was recognised; without labels it stays as it is.
        search: What the application looks for.
        classes: The class, or `LEAVE_OUT`, by the name of a folder or label.

    Returns:
        The layout with labels that are known, or told, or may be classes of their own; with notes on what was told, and
        its keys among `used`. An empty label stays, for the application to refuse with its place.

    Raises:
        MeaningError: There are labels that are none of these.
    """
    if layout.unlabelled:
        return layout
    told = {folded(name): name for name in classes}
    asked = Counter(one.label for one in layout.entries if one.label and folded(one.label) not in told)
    if search.nearest is not None and (unknown := {name for name in asked if not search.is_class(name)}):
        raise MeaningError(f"{layout.table or layout.root.name} {question(unknown, search)}")
    counts = Counter(told[folded(one.label)] for one in layout.entries if folded(one.label) in told)
    kept = [one for one in (_told(entry, told, classes) for entry in layout.entries) if one is not None]
    return replace(
        layout,
        entries=kept,
        notes=(*layout.notes, *(_note(name, classes[name], count) for name, count in counts.items())),
        used=layout.used | {f"data.classes.{name}" for name in counts},
    )


def question(unknown: Collection[str], search: Search) -> str:
    """Writes which classes are not known, what they may be, and how to say what they are.

    Names that are words of classes or datasets are shown; others may be those of patients. Where most are such, none
    is shown, for a word may be a name too.

    Args:
        unknown: Names of folders or labels, at least one.
        search: What the application looks for; its `nearest` tells words from names.

    Returns:
        A sentence without its subject ("has 1 class that is not known: ...").
    """
    shown = shown_names(unknown, search)
    hidden = len(unknown) - len(shown)
    known = f"allowed are {', '.join(search.classes)}, and {LEAVE_OUT}"
    count = f"has {len(unknown)} {'class that is' if len(unknown) == 1 else 'classes that are'} not known"
    masked = f"the names of {hidden} are" if hidden > 1 else "the name of 1 is" if shown else "its name is"
    why = f"{masked} not shown here, for a folder may have a patient's name" if hidden else ""
    if not shown:
        return (
            f"{count}; {why}. Where they are classes or hold no images to learn from, say what each is with "
            f"data.classes.NAME=CLASS ({known}); where they are patients, put each below the folder of its class, or "
            "list the files in labels.csv with the columns label and group"
        )
    some = sorted(shown)[:MOST_SHOWN]
    words = ", ".join(f"{name!r} (nearest: {shown[name]})" if shown[name] else repr(name) for name in some)
    words += f" and {len(shown) - len(some)} more" if len(some) < len(shown) else ""
    proposed = {name: shown[name] or "CLASS" for name in some}
    guessed = ". The nearest meaning is a guess" if any(shown[name] for name in some) else ""
    return (
        f"{count}: {words}{f'; {why}' if why else ''}. Say what each is, for example {on_command_line(proposed)}, or "
        f"in YAML data: {{classes: {in_yaml(proposed)}}}; {known}{guessed}"
    )


def shown_names(names: Iterable[str], search: Search) -> dict[str, str]:
    """Picks the names that are words and no patient's, each with the meaning that is nearest ("" where none is).

    Args:
        names: Names of folders or labels.
        search: What the application looks for.

    Returns:
        Meanings by name; empty where most of the names are no words.
    """
    if search.nearest is None:
        return {}
    # a name of an untrusted archive may hold line breaks, which would not stay on the one line of a message
    nearest = {name: search.nearest(name) if name.isprintable() else None for name in names}
    words = {name: meaning for name, meaning in nearest.items() if meaning is not None}
    return words if 2 * len(words) >= len(nearest) else {}


def on_command_line(classes: Mapping[str, str]) -> str:
    """Writes the overrides of a command line that set `data.classes`, quoted for the shell where it needs that."""
    if all(SIMPLE_KEY.fullmatch(name) for name in classes):
        return " ".join(f"data.classes.{name}={meaning}" for name, meaning in classes.items())
    return shlex.quote(f"data.classes={in_yaml(classes)}")


def in_yaml(classes: Mapping[str, str]) -> str:
    """Writes a mapping as YAML on one line, names quoted where YAML would read another thing."""
    return yaml.safe_dump(
        dict(classes), default_flow_style=True, allow_unicode=True, sort_keys=False, width=float("inf")
    ).strip()


def _told(entry: ImageEntry, told: Mapping[str, str], classes: Mapping[str, str]) -> ImageEntry | None:
    """The entry with the class that was told; None where it is to be left out."""
    name = told.get(folded(entry.label))
    if name is None:
        return entry
    return None if classes[name] == LEAVE_OUT else replace(entry, label=classes[name])


def _note(name: str, meaning: str, count: int) -> str:
    if meaning == LEAVE_OUT:
        return f"{count} images of {name!r} were left out, as data.classes says."
    return f"{count} images of {name!r} were read as {meaning}, as data.classes says."
