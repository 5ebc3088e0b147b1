"""The work of the teaching process of `handwriting serve`: adds a class from a few drawings. It needs torch."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from handwriting.inputs import character_item
from shared.errors import InputRefused
from shared.processes.worker import Report
from shared.runs.record import read_model_record
from shared.task import Task


@dataclass(frozen=True)
class TeachWork:
    """The work of the teaching process; its methods are called through `shared.processes.worker`.

    Attributes:
        task: The application.
    """

    task: Task

    def teach(self, run: Path, label: str, drawings: Path, out: Path, report: Report) -> list[str]:
        """Writes a copy of a run with one more class, learned from drawings.

        Args:
            run: A finished run; it is not changed.
            label: Label of the new character.
            drawings: Folder with pictures of the character.
            out: Folder of the new run, which must not exist; it is deleted when teaching fails.
            report: Not called: teaching has no steps.

        Returns:
            Notes about the new run for the user, one sentence each.

        Raises:
            MedtlError: The character cannot be taught; the reason may be shown.
        """
        from shared.pipeline.add_class import add_class, describe_addition

        items = [character_item(path.name, path.read_bytes()) for path in sorted(drawings.iterdir())]
        for number, item in enumerate(items, start=1):
            if item.refusal is not None:
                raise InputRefused(f"drawing {number} {item.refusal}")
        drawn = [pixels for item in items for pixels in item.slices]
        try:
            add_class(self.task, run, label, drawn, out)
        except BaseException:
            shutil.rmtree(out, ignore_errors=True)
            raise
        return describe_addition(self.task, label, len(drawn), read_model_record(run))
