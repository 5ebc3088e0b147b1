"""What the process that learns does for `handwriting serve`: a character from some drawings. It needs torch."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handwriting.inputs import judgeable
from shared.errors import InputRefused
from shared.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class TeachWork:
    """The work of the process that learns; see `shared.web.workers`.

    Attributes:
        task: The application.
    """

    task: Task

    def teach(self, run: Path, label: str, drawings: Path, out: Path, tell: Callable[..., None]) -> list[str]:
        """Writes a run that also knows a character.

        Args:
            run: A finished run; it stays as it is.
            label: Of the character.
            drawings: Folder of its pictures.
            out: A new folder; nothing is left of it where this fails.
            tell: Is not needed.

        Returns:
            What a person must know of the new run, a sentence each.

        Raises:
            MedtlError: It cannot be taught, for a reason that may be shown.
        """
        from shared.pipeline.add_class import add_class, in_words

        items = [judgeable(path.name, path.read_bytes()) for path in sorted(drawings.iterdir())]
        for number, item in enumerate(items, start=1):
            if item.refusal is not None:
                raise InputRefused(f"drawing {number} {item.refusal}")
        drawn = [pixels for item in items for pixels in item.slices]
        try:
            add_class(self.task, run, label, drawn, out)
        except BaseException:
            shutil.rmtree(out, ignore_errors=True)
            raise
        return in_words(self.task, label, len(drawn))
