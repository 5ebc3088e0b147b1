"""The work of the worker processes of `medtl serve`: judges scans, writes slices for the viewer and DICOM objects."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shared.io.atomic import write_bytes, write_json
from shared.io.grey import to_grey
from shared.prediction.answer import Answer
from shared.processes.worker import Report
from shared.task import Item
from shared.web.upload_work import UploadWork

LEVELS = 65535
"""Grey levels of the viewer: as many as 16 bits hold, which is what scanners store at most."""
WINDOW_PERCENTILES = (0.5, 99.7)
"""Percentiles of all slices that are black and white at first, as in `medtl.results.slice_picture`."""
SAMPLED = 500_000
"""Pixels from which the percentiles are estimated: as good as all of them."""
VIEW, SLICES, DICOM = "view.json", "slices.bin", "dicom.zip"


class ScanWork(UploadWork):
    """The work of one worker process; its methods are called through `shared.processes.worker`."""

    def judge(self, files: Path, results: Path, kind: str, report: Report) -> None:
        """Judges all scans of an upload, and writes answers and slices for the viewer into `results`.

        Args:
            files: Folder of the uploaded files.
            results: Folder for the results.
            kind: Not used: there is one kind of upload.
            report: Called with the progress in words.
        """

        def keep(index: int, item: Item, answer: Answer) -> None:
            folder = item_folder(results, index)
            folder.mkdir(mode=0o700)
            write_json(folder / VIEW, _keep_slices(item, folder))

        self.judge_all(files, results, keep, report)

    def dicom(self, files: Path, results: Path, index: int, report: Report) -> None:
        """Writes the DICOM objects of one answer as `dicom.zip` into the folder of its item.

        Args:
            files: Folder of the uploaded files.
            results: Folder of the results.
            index: Number of the item, from 0.
            report: Not called: this has no steps.

        Raises:
            MedtlError: The objects cannot be made; the reason may be shown.
        """
        from medtl.results.objects import result_objects
        from medtl.results.writer import write_objects

        item, name = self.item(files, index)
        answer = replace(self.predictor.assess(item), input=name)
        folder = item_folder(results, index)
        written = write_objects(result_objects(item, answer, self.predictor.record), folder / "dicom")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in written:
                archive.write(path, path.name)
        write_bytes(folder / DICOM, packed.getvalue())


def item_folder(results: Path, index: int) -> Path:
    """Returns the path of the folder with the results of one item, whether it exists or not.

    Args:
        results: Folder of the results of the upload.
        index: Number of the item, from 0.
    """
    return results / f"item-{index:04d}"


def _keep_slices(item: Item, folder: Path) -> dict[str, Any]:
    """Writes the slices of an item as 16-bit grey, and returns how to read them.

    Returns:
        `slices`, `rows`, `columns`; `low` and `high`, the values in the file's own unit that 0 and 65535 stand for;
        `window`, the values that are black and white at first.
    """
    if not item.slices:
        return {"slices": 0}
    greys = [to_grey(pixels) for pixels in item.slices]
    rows, columns = greys[0].shape
    if any(grey.shape != (rows, columns) for grey in greys):
        return {"slices": 0}  # a viewer scrolls through one stack
    low, high = min(float(grey.min()) for grey in greys), max(float(grey.max()) for grey in greys)
    scale = LEVELS / (high - low) if high > low else 0.0
    with (folder / SLICES).open("wb") as stream:
        for grey in greys:
            stream.write(np.rint((grey - low) * scale).astype("<u2").tobytes())
    step = max(1, rows * columns * len(greys) // SAMPLED)
    sampled = np.concatenate([grey.reshape(-1)[index % step :: step] for index, grey in enumerate(greys)])
    window = [float(value) for value in np.percentile(sampled, WINDOW_PERCENTILES)]
    return {
        "slices": len(greys),
        "rows": rows,
        "columns": columns,
        "low": low,
        "high": high,
        "window": window if window[1] > window[0] else [low, high],
    }
