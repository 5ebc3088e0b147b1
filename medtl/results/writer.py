"""Answers of `predict` written as DICOM objects beside being told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medtl.results.objects import result_objects, write_objects
from shared.errors import DataError
from shared.prediction.answer import Answer
from shared.runs.record import ModelRecord
from shared.task import Item

if TYPE_CHECKING:
    from shared.reporting.explainer import Explanation


def writer(
    folder: Path,
) -> Callable[[Item, Answer, ModelRecord, Sequence[Explanation]], tuple[dict[str, Any], list[str]]]:
    """What writes the objects of one answer into a folder, and says which files they are or why there are none."""

    def write(
        item: Item, answer: Answer, record: ModelRecord, explained: Sequence[Explanation]
    ) -> tuple[dict[str, Any], list[str]]:
        believed = [one for one in explained if one.verdict is not None and one.verdict.believable]
        try:
            objects = result_objects(
                item,
                answer,
                record,
                {one.slice: one.attribution for one in believed},
                believed[0].label if believed else None,
            )
            files = write_objects(objects, folder)
        except DataError as error:
            return {"dicom": [], "dicom_refusal": str(error)}, [f"  no DICOM objects: {error}"]
        lines = [f"  DICOM: {path}" for path in files]
        if left := len(explained) - len(believed):
            lines.append(f"  {left} map(s) did not pass the checks and stand in no DICOM object")
        return {"dicom": [path.name for path in files]}, lines

    return write
