"""The work of the listener's process: judges a received series with a run and writes the results."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from medtl.node.spool import RESULT_SUFFIX
from medtl.task import TASK
from shared.errors import InputRefused
from shared.io.durable import write_durably
from shared.processes.worker import Report

if TYPE_CHECKING:
    from pydicom import Dataset

    from shared.prediction.predictor import Predictor


class Judge(Protocol):
    """Judges series; an object of an importable module, which is pickled and called in a child process."""

    def judge(self, folder: Path, out: Path, report: Report) -> list[str]:
        """Judges one series and writes its results.

        Args:
            folder: Holds the instances of the series.
            out: Empty folder for the results.
            report: May be called with the current step in words.

        Returns:
            The SOP Instance UIDs of the results.
        """


@dataclass(frozen=True)
class SeriesJudge:
    """Judges series with a run, which is opened in the process that judges the first one.

    Attributes:
        run: Folder of a finished run.
        chosen_among: Number of models among which the run was chosen on its validation.
    """

    run: Path
    chosen_among: int = 1

    def judge(self, folder: Path, out: Path, report: Report) -> list[str]:
        """Judges one series and writes its result objects.

        Args:
            folder: Holds the instances of the series.
            out: Empty folder for the results; they are synced.
            report: Not called: a series has no steps.

        Returns:
            The SOP Instance UIDs of the results, in their order.

        Raises:
            InputRefused: An instance is damaged.
        """
        from medtl.node.results import results_of

        return write_results(results_of(folder, self._predictor, TASK), out)

    @cached_property
    def _predictor(self) -> Predictor:
        from shared.prediction.predictor import Predictor

        return Predictor(self.run, TASK.name, TASK.preprocess, chosen_among=self.chosen_among)


def write_results(results: Sequence[Dataset], out: Path) -> list[str]:
    """Writes result objects as DICOM files `001.dcm`, `002.dcm` and so on, synced.

    Args:
        results: pydicom datasets, at least one.
        out: Folder of the files.

    Returns:
        The SOP Instance UIDs of the results, in the order given.

    Raises:
        InputRefused: There is no result.
    """
    if not results:
        raise InputRefused("gave no result")
    for number, dataset in enumerate(results, start=1):
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        write_durably(out / f"{number:03d}{RESULT_SUFFIX}", stream.getvalue())
    return [str(dataset.SOPInstanceUID) for dataset in results]
