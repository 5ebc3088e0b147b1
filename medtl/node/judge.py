"""What the listener hands to the process that judges: a run, opened there when the first series comes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from medtl.task import TASK

if TYPE_CHECKING:
    from pydicom import Dataset

    from shared.prediction.predictor import Predictor


@dataclass(frozen=True)
class SeriesJudge:
    """Gives the result objects of a series; a `medtl.node.worker.Process`.

    Attributes:
        run: A finished run.
    """

    run: Path

    def __call__(self, folder: Path) -> list[Dataset]:
        """The results of the series in a folder."""
        from medtl.node.results import results_of

        return results_of(folder, self._predictor, TASK)

    @cached_property
    def _predictor(self) -> Predictor:
        from shared.prediction.predictor import Predictor

        return Predictor(self.run, TASK.name, TASK.preprocess)
