from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from medtl.results.objects import result_objects
from medtl.results.writer import write_objects, writer
from medtl.task import TASK
from shared.api.run import Run
from shared.errors import DataError
from shared.explanation.sanity_checks import Verdict
from shared.reporting.explainer import Explanation

PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"


def _explanation(number: int, attribution: np.ndarray, *faults: str) -> Explanation:
    verdict = Verdict((0.0, 0.0, 0.0), 0.1, 0.9, 0.5, 0.5, 19, {}, faults)
    return Explanation(
        number, "glioma", "assessed", 0.9, "grad-cam", attribution, verdict, Path("a.png"), Path("a.npy")
    )


def _kinds(folder: Path) -> list[Any]:
    return sorted(pydicom.dcmread(path).SOPClassUID for path in folder.iterdir())


def test_only_maps_that_passed_their_checks_stand_in_the_objects(judged: Any, tmp_path: Path) -> None:
    explained = [
        _explanation(2, judged.maps[2]),
        _explanation(4, judged.maps[4], "a network with random weights gives a map like it"),
    ]
    tree, lines = writer(tmp_path / "out")(judged.item, judged.answer, judged.record, explained)
    assert sorted(tree["dicom"]) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert lines[-1] == "  1 map(s) did not pass the checks and stand in no DICOM object"
    (found,) = [
        one for path in (tmp_path / "out").iterdir() if (one := pydicom.dcmread(path)).SOPClassUID == PARAMETRIC_MAP
    ]
    assert int(found.NumberOfFrames) == 1


def test_without_explanations_there_is_no_map(judged: Any, tmp_path: Path) -> None:
    writer(tmp_path / "out")(judged.item, judged.answer, judged.record, [])
    assert len(_kinds(tmp_path / "out")) == 4  # a report and three slices
    assert PARAMETRIC_MAP not in _kinds(tmp_path / "out")


def test_what_is_not_dicom_gets_a_reason_and_no_file(judged: Any, tmp_path: Path) -> None:
    item = replace(judged.item, origins=())
    tree, (line,) = writer(tmp_path / "out")(item, judged.answer, judged.record, [])
    assert tree["dicom"] == []
    assert line == f"  no DICOM objects: {tree['dicom_refusal']}"
    assert not (tmp_path / "out").exists()


def test_an_input_that_is_not_assessed_gets_a_report_that_says_so(unlike: Any, tmp_path: Path) -> None:
    explained = [replace(_explanation(2, unlike.maps[2]), status="not assessed")]
    writer(tmp_path / "out")(unlike.item, unlike.answer, unlike.record, explained)
    assert len(_kinds(tmp_path / "out")) == 4  # a report and three slices, and no map
    (path,) = (tmp_path / "out").glob("report-*")
    assert b"Not assessed, a human must look: raw tumour probability 0.900 (suspicious" in path.read_bytes()


def test_the_command_writes_them(judged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from medtl.cli import app

    class Told:
        record, name = judged.record, "run-1"

        def assess(self, item: Any) -> Any:
            return replace(judged.answer, input=item.name)

    run = Run(TASK, judged.folder, tmp_path)
    vars(run)["predictor"] = Told()
    monkeypatch.setattr(Run, "introduction", ["model: run-1"])
    monkeypatch.setattr("shared.api.application.Application.load_run", lambda *_: run)
    result = CliRunner().invoke(app, ["predict", str(judged.folder), "--dicom", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert result.stdout.count("  DICOM: ") == 4 == len(list((tmp_path / "out").iterdir()))


def test_files_are_private_read_back_and_named_by_kind(judged: Any, tmp_path: Path) -> None:
    objects = result_objects(judged.item, judged.answer, judged.record, judged.maps)
    paths = write_objects(objects, tmp_path / "new" / "out")
    assert [path.name.split("-")[0] for path in paths] == ["report", "slice", "slice", "slice", "attribution"]
    for path, one in zip(paths, objects, strict=True):
        assert path.stat().st_mode & 0o777 == 0o600
        read = pydicom.dcmread(path)
        assert read.SOPInstanceUID == one.SOPInstanceUID == read.file_meta.MediaStorageSOPInstanceUID
    assert sorted(paths) == sorted((tmp_path / "new" / "out").iterdir())
    assert write_objects(objects, tmp_path / "new" / "out") == paths


def test_one_object_that_cannot_be_encoded_leaves_no_file(judged: Any, tmp_path: Path) -> None:
    objects = result_objects(judged.item, judged.answer, judged.record, judged.maps)
    del objects[-1].file_meta.TransferSyntaxUID
    with pytest.raises(DataError, match="DICOM file"):
        write_objects(objects, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_folder_and_leaves_no_object(
    judged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = result_objects(judged.item, judged.answer, judged.record, {}, None)
    written = []

    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[:100])
        written.append(path)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("medtl.results.writer.write_durably", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_objects(objects, tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
