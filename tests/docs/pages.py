"""What the documents show: their blocks of code, and the calls of commands in them.

In a block of `console` a line that begins with `$ ` is a call that a test runs; the lines below it are what it says. A
comment above the block, `<!-- not run: REASON -->`, keeps it from being run. Calls in other blocks are only parsed. A
block whose first line is `# file: NAME` is written under that name before the calls below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAB_LOG = ROOT / "docs" / "lab-log.md"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path != LAB_LOG and "_build" not in path.parts),
]
"""All pages; but the lab log says what was called at its time."""

CONFIGURATIONS = sorted(path for path in ROOT.rglob("configs/*/*.yaml") if ".venv" not in path.parts)
CALL = re.compile(r"(?:\$ )?((?:medtl|handwriting) .*)")
_FENCE = re.compile(
    r"^(?P<mark>```+|~~~+)(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=mark)[ ]*$", re.MULTILINE | re.DOTALL
)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.*?) -->\s*\Z", re.DOTALL)
_FILE = re.compile(r"# file: (\S+)\n")


@dataclass(frozen=True)
class Step:
    """A call in a block of `console`, as it is typed, with the lines that stand below it."""

    call: str
    said: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        language: Its language, "" where none is stated.
        text: Its lines.
        not_run: Why it is not run; None: it is, where it is `console` or `python`.
    """

    language: str
    text: str
    not_run: str | None

    @property
    def file(self) -> str | None:
        """The file that the block is the text of; None where it is of none."""
        found = _FILE.match(self.text)
        return None if found is None else found[1]

    @property
    def runs(self) -> bool:
        """Whether a test runs it: it is Python or holds calls with a prompt, and nothing keeps it from being run."""
        return self.not_run is None and (self.language == "python" or (self.language == "console" and bool(self.steps)))

    @property
    def steps(self) -> list[Step]:
        """The calls of a block of `console`, in order."""
        calls = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        return [Step(call, tuple(said)) for call, *said in (one.rstrip().split("\n") for one in calls)]


def blocks(path: Path) -> Iterator[Block]:
    """Finds the blocks of code of a page, in order."""
    page = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(page):
        reason = _NOT_RUN.search(page, 0, found.start())
        text = re.sub(r"\\\n\s*", "", found["text"])  # a line that goes on in the next
        yield Block(found["language"].strip(), text, None if reason is None else reason["reason"])


def documented_calls() -> list[str]:
    """Lines of code that call a command, without what follows `>`: of all pages, and of the heads of configurations."""
    lines = [line for path in PAGES for block in blocks(path) for line in block.text.splitlines()]
    lines += [line for path in CONFIGURATIONS for line in re.findall(r"^#  +(.*)$", path.read_text(), re.MULTILINE)]
    return [found[1].partition(" > ")[0] for line in lines if (found := CALL.fullmatch(line))]
