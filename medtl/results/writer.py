"""DICOM objects written as files: what `predict --dicom` puts into a folder."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medtl.results.objects import result_objects
from medtl.results.source_images import untrusted_building
from shared.errors import DataError
from shared.io.atomic import naming_faults
from shared.io.durable import write_durably
from shared.prediction.answer import Answer
from shared.runs.record import ModelRecord
from shared.task import Item

if TYPE_CHECKING:
    from shared.reporting.explainer import Explanation

PREFIXES = {
    "1.2.840.10008.5.1.4.1.1.88.33": "report",
    "1.2.840.10008.5.1.4.1.1.7": "slice",
    "1.2.840.10008.5.1.4.1.1.30": "attribution",
}
"""First words of file names, by SOP class. Source: DICOM PS3.6, table A-1."""


def writer(
    folder: Path, written: list[Path] | None = None
) -> Callable[[Item, Answer, ModelRecord, Sequence[Explanation]], tuple[dict[str, Any], list[str]]]:
    """Makes the function that `predict` calls with each answer, to write the answer's DICOM objects into a folder.

    Args:
        folder: Where the files go; made when the first object is written.
        written: Gets each file, in place of lines that name it.

    Returns:
        A function of the item, its answer, the record of the model and the explanations of its slices. It returns a
        dict and lines of text for people. The dict has `dicom`, a list of file names. Where no object can be made, the
        list is empty, and the dict has `dicom_refusal`, the reason.
    """

    def write(
        item: Item, answer: Answer, record: ModelRecord, explained: Sequence[Explanation]
    ) -> tuple[dict[str, Any], list[str]]:
        believable = [one for one in explained if one.verdict is not None and one.verdict.believable]
        maps = {one.slice: one.attribution for one in believable}
        try:
            objects = result_objects(item, answer, record, maps, believable[0].label if believable else None)
            files = write_objects(objects, folder)
        except DataError as error:
            return {"dicom": [], "dicom_refusal": str(error)}, [f"  no DICOM objects: {error}"]
        lines = [f"  DICOM: {path}" for path in files] if written is None else []
        if written is not None:
            written.extend(files)
        if left := len(explained) - len(believable):
            lines.append(f"  {left} map(s) did not pass the checks and stand in no DICOM object")
        return {"dicom": [path.name for path in files]}, lines

    return write


def write_objects(objects: Sequence[Any], folder: Path) -> list[Path]:
    """Writes DICOM files that only their owner can read, all of them whole or none at all.

    Their names are the kind of object and a hash, so that several results share a folder and none names a patient.

    Args:
        objects: pydicom datasets, as `medtl.results.objects.result_objects` makes them.
        folder: Where the files go; made where it does not exist.

    Returns:
        The files, in the order of `objects`.

    Raises:
        DataError: An object cannot be encoded.
        OSError: The folder cannot be written to.
    """
    paths = [folder / _file_name(one) for one in objects]
    partials = [path.with_name(f".{path.name}.{os.getpid()}.partial") for path in paths]
    with naming_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for one, partial in zip(objects, partials, strict=True):
                _write(one, partial)
            for partial, path in zip(partials, paths, strict=True):
                partial.replace(path)
        finally:
            for partial in partials:
                partial.unlink(missing_ok=True)
    return paths


def _file_name(one: Any) -> str:
    digest = hashlib.sha256(str(one.SOPInstanceUID).encode()).hexdigest()[:16]
    return f"{PREFIXES[one.SOPClassUID]}-{digest}.dcm"


def _write(one: Any, partial: Path) -> None:
    encoded = io.BytesIO()
    with untrusted_building("DICOM file"):
        one.save_as(encoded, enforce_file_format=True)
    write_durably(partial, encoded.getvalue())
