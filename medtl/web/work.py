"""The work of the worker processes of `medtl serve`: judges scans, writes what the viewer shows and DICOM objects."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

from medtl.web.shown import keep_inputs, keep_slices
from shared.io.atomic import write_bytes, write_json
from shared.prediction.answer import Answer
from shared.processes.worker import Report
from shared.task import Item
from shared.web.upload_work import UploadWork

VIEW, DICOM = "view.json", "dicom.zip"


class ScanWork(UploadWork):
    """The work of one worker process; its methods are called through `shared.processes.worker`."""

    def judge(self, files: Path, results: Path, kind: str, report: Report) -> None:
        """Judges all scans of an upload, and writes answers and what the viewer shows into `results`.

        Args:
            files: Folder of the uploaded files.
            results: Folder for the results.
            kind: Not used: there is one kind of upload.
            report: Called with the progress in words.
        """

        def keep(index: int, item: Item, answer: Answer) -> None:
            folder = item_folder(results, index)
            folder.mkdir(mode=0o700)
            view = keep_slices(item, folder)
            if view["slices"] and answer.status != "refused":
                view |= keep_inputs(item, self.predictor.record.preprocessing, folder)
            write_json(folder / VIEW, view)

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
