"""Results as DICOM objects: what they say, where they stand, and what of a patient never leaves them."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from highdicom import sr
from pydicom.uid import ComprehensiveSRStorage, ParametricMapStorage, SecondaryCaptureImageStorage

from medtl.inputs import read_inputs
from medtl.node.worklist import _finding_text
from medtl.results.objects import result_objects
from medtl.results.text import captions
from medtl.results.writer import write_objects
from medtl.transforms import restore
from shared.errors import DataError, UsageError
from shared.prediction.answer import Answer, with_origins
from shared.runs.provenance import Provenance

NAME = "Żółć^Zażółć"


def objects_of(judged: Any, *, maps: bool = True) -> list[Any]:
    return result_objects(judged.item, judged.answer, judged.record, judged.maps if maps else None)


def of_class(objects: list[Any], uid: str) -> list[Any]:
    return [one for one in objects if one.SOPClassUID == uid]


def texts(report: Any) -> list[str]:
    """All that the report states, with the names of its concepts."""
    found = []

    def walk(item: Any) -> None:
        concept = item.ConceptNameCodeSequence[0].CodeMeaning
        if item.ValueType == "TEXT":
            found.append(f"{concept}: {item.TextValue}")
        if item.ValueType == "NUM":
            found.append(f"{concept}: {item.MeasuredValueSequence[0].NumericValue}")
        if item.ValueType == "CODE":
            found.append(f"{concept}: {item.ConceptCodeSequence[0].CodeMeaning}")
        for child in item.get("ContentSequence", ()):
            walk(child)

    walk(report)
    return found


def walked(item: Any) -> Iterator[Any]:
    """All content items of a report."""
    for child in item.get("ContentSequence", ()):
        yield child
        yield from walked(child)


def changed(judged: Any, folder: Path, change: Callable[[Any], None]) -> Any:
    """The same series with every file changed."""
    folder.mkdir()
    for path in judged.folder.iterdir():
        dataset = pydicom.dcmread(path)
        change(dataset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.save_as(folder / path.name)
    (item,) = read_inputs([folder])
    return replace(judged, folder=folder, item=item)


def multiframe(judged: Any, path: Path, *, shared: bool) -> Any:
    """The series as one enhanced object, its geometry stated for all frames or for each."""
    sources = [pydicom.dcmread(one.source) for one in judged.item.origins]
    made = pydicom.dcmread(judged.item.origins[0].source)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    made.NumberOfFrames = len(sources)
    made.PixelData = b"".join(one.PixelData for one in sources)
    common = pydicom.Dataset()
    made.PerFrameFunctionalGroupsSequence = [pydicom.Dataset() for _ in sources]
    for group, one in zip(made.PerFrameFunctionalGroupsSequence, sources, strict=True):
        place, holder = pydicom.Dataset(), common if shared else group
        place.ImagePositionPatient = one.ImagePositionPatient
        group.PlanePositionSequence = [place]
        plane, measures = pydicom.Dataset(), pydicom.Dataset()
        plane.ImageOrientationPatient = one.ImageOrientationPatient
        measures.PixelSpacing, measures.SliceThickness = one.PixelSpacing, one.SliceThickness
        holder.PlaneOrientationSequence, holder.PixelMeasuresSequence = [plane], [measures]
    made.SharedFunctionalGroupsSequence = [common]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        del made[keyword]
    made.save_as(path)
    (item,) = read_inputs([path])
    return replace(judged, folder=path, item=item)


def test_objects_stand_in_the_study_of_the_patient(judged: Any) -> None:
    source = pydicom.dcmread(judged.item.origins[0].source)
    objects = objects_of(judged)
    assert len(objects) == 5
    for one in objects:
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyID"):
            assert one[keyword].value == source[keyword].value
    series = {one.SeriesInstanceUID for one in objects}
    assert len(series) == 3
    assert source.SeriesInstanceUID not in series


def test_report_tells_finding_numbers_model_and_purpose(judged: Any) -> None:
    (report,) = of_class(objects_of(judged), ComprehensiveSRStorage)
    said = texts(report)
    assert "Finding: Tumour suspected" in said
    assert "Probability: 0.9" in said
    assert "Threshold Value: 0.5" in said
    assert "Sensitivity certified on validation (lower 95% bound): 0.953" in said
    assert "Algorithm Name: medtl run-1" in said
    assert f"Algorithm Version: {'2' * 64}" in said
    assert "Intended use: Research use only, not for diagnosis" in said
    assert any("slices, by number in the order of the series: 2 (0.900), 4 (0.700), 3 (0.400)" in one for one in said)
    assert "Comment: Note: this model has a note" in said
    assert "Operating point: 1 misses" in "".join(said)


def test_report_is_of_template_1500_and_refers_to_every_source(judged: Any) -> None:
    (report,) = of_class(objects_of(judged), ComprehensiveSRStorage)
    (group,) = sr.ComprehensiveSR.from_dataset(report).content.get_image_measurement_groups()
    sources = {str(pydicom.dcmread(one.source).SOPInstanceUID) for one in judged.item.origins}
    assert {str(one.referenced_sop_instance_uid) for one in group.source_images} == sources
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert {str(one.ReferencedSOPInstanceUID) for one in evidence.ReferencedSOPSequence} == sources


def test_what_is_not_assessed_keeps_its_raw_score_under_another_name(unlike: Any) -> None:
    objects = objects_of(unlike)
    (report,) = of_class(objects, ComprehensiveSRStorage)
    said = texts(report)
    assert "Finding: Not evaluated" in said
    assert "Advice: Not assessed: a human must look" in said
    assert "Raw tumour probability, not assessed, not to be relied on: 0.9" in said
    assert not any(one.startswith(("Probability", "Sensitivity certified")) for one in said)
    assert f"Comment: Caution: {unlike.answer.caution}" in said
    assert any(one.startswith("Comment: Raw: Most suspicious of 4 slices") for one in said)
    assert len(of_class(objects, SecondaryCaptureImageStorage)) == 3
    assert not of_class(objects, ParametricMapStorage)


def test_a_series_that_is_not_decided_keeps_its_score_under_another_name_and_the_decisions_on_slices(
    undecided: Any,
) -> None:
    objects = objects_of(undecided)
    (report,) = of_class(objects, ComprehensiveSRStorage)
    said = texts(report)
    assert "Finding: Not evaluated" in said
    assert "Advice: Series not decided: a human must look" in said
    assert "Tumour score of a series that was not decided: 0.9" in said
    assert not any(one.startswith(("Probability", "Sensitivity certified", "Raw")) for one in said)
    assert sum(one.startswith("Tumour probability of one slice") for one in said) == 4
    assert (
        "Comment: Not decided, a human must look: tumour score of the series 0.900 (highest slice), no decision; "
        "2 of 4 slices alone would be positive. Reason: no tumour-free series of this kind was in validation "
        "(FLAIR, axial, 4 slices)"
    ) in said
    assert len(of_class(objects, SecondaryCaptureImageStorage)) == 3
    assert not of_class(objects, ParametricMapStorage)
    assert captions(undecided.answer, undecided.record, 2, None)[:3] == [
        "Not decided: a human must look",
        "Whole input: tumour score of the series 0.900 (highest slice), no decision; 2 of 4 slices alone would be "
        "positive",
        "Slice 2 of 4: tumour probability 0.900, positive alone",
    ]


def test_pictures_of_what_is_not_assessed_say_so(unlike: Any) -> None:
    lines = captions(unlike.answer, unlike.record, 2, None)
    assert lines[:4] == [
        "Not assessed: a human must look",
        "Raw scores, not to be relied on: tumour probability 0.900",
        "Slice 2 of 4: raw tumour probability 0.900",
        "This slice is unlike the images that the model was trained on",
    ]


def test_report_leads_from_each_slice_to_its_image(judged: Any, tmp_path: Path) -> None:
    enhanced = multiframe(judged, tmp_path / "enhanced.dcm", shared=True)
    for found in (judged, enhanced):
        (report,) = of_class(objects_of(found, maps=False), ComprehensiveSRStorage)
        told = []
        for item in walked(report):
            if item.ConceptNameCodeSequence[0].CodeValue == "T-PROB-SLICE":
                image, number = item.ContentSequence
                reference = image.ReferencedSOPSequence[0]
                told.append(
                    (
                        int(number.MeasuredValueSequence[0].NumericValue),
                        round(float(item.MeasuredValueSequence[0].NumericValue), 3),
                        str(reference.ReferencedSOPInstanceUID),
                        reference.get("ReferencedFrameNumber"),
                    )
                )
        several = len({one.source for one in found.item.origins}) == 1
        assert told == [
            (
                one.number,
                one.positive_probability,
                str(pydicom.dcmread(origin.source).SOPInstanceUID),
                origin.index + 1 if several else None,
            )
            for one, origin in zip(found.answer.slices, found.item.origins, strict=True)
        ]


def test_report_tells_the_series_and_the_training_of_the_model(judged: Any) -> None:
    provenance = Provenance(
        "run-1", "2026-11-29T12:00:00+00:00", ("scans.zip",), ("cirrus",), "1" * 64, ("no_tumour", "glioma"), False
    )
    answer = with_origins(replace(judged.answer, provenance=provenance), judged.item)
    (report, *_) = objects_of(replace(judged, answer=answer))
    said = texts(report)
    assert "Comment: Read from the series: 4 slices of 4 images, plane axial, series number 1" in said
    words = "trained 2026-11-29 on scans.zip (cirrus); classes: no_tumour, glioma"
    assert f"Comment: Model run-1, {words}" in said
    assert "Algorithm Parameters: trained until 2026-11-29T12:00:00+00:00" in said
    assert f"Algorithm Parameters: trained on data SHA-256 {'1' * 64}" in said
    assert not any(Path(origin.source).name in "".join(said) for origin in judged.item.origins)


def test_negative_answer_never_names_a_suspicion_as_finding(judged: Any) -> None:
    answer = replace(judged.answer, decision="negative", positive_probability=0.1, certified_sensitivity=None)
    (report, *_) = objects_of(replace(judged, answer=answer))
    said = texts(report)
    assert "Finding: No tumour suspected" in said
    assert not any(one.startswith("Sensitivity certified") for one in said)
    assert "Comment: No sensitivity is certified for this input" in said


def test_refused_answer_gives_only_a_report_with_the_reason(refused: Any) -> None:
    (report,) = objects_of(refused, maps=False)
    said = texts(report)
    assert "Finding: Not evaluated" in said
    assert "Comment: Not assessed: is a localizer, not a diagnostic series" in said
    assert not any("probability" in one for one in said)


def test_the_most_suspicious_slices_are_shown_and_those_with_maps(judged: Any) -> None:
    def shown(maps: bool) -> list[str]:
        captures = of_class(objects_of(judged, maps=maps), SecondaryCaptureImageStorage)
        assert [one.InstanceNumber for one in captures] == list(range(1, len(captures) + 1))
        return [one.SourceImageSequence[0].ReferencedSOPInstanceUID for one in captures]

    uids = [pydicom.dcmread(one.source).SOPInstanceUID for one in judged.item.origins]
    assert shown(maps=False) == [uids[1], uids[2], uids[3]]
    assert shown(maps=True) == [uids[1], uids[2], uids[3]]
    judged.maps[1] = judged.maps.pop(4)
    assert shown(maps=True) == uids


def test_capture_is_a_colour_picture_that_states_its_burned_in_words(judged: Any) -> None:
    (capture, *_) = of_class(objects_of(judged), SecondaryCaptureImageStorage)
    assert (capture.BurnedInAnnotation, capture.PhotometricInterpretation) == ("YES", "RGB")
    assert list(capture.PatientOrientation) == ["L", "P"]
    assert "PixelSpacing" not in capture
    assert capture.pixel_array.std() > 10


@pytest.mark.parametrize("shared", [True, False, None])
def test_attribution_lies_on_its_slices(judged: Any, tmp_path: Path, shared: bool | None) -> None:
    heights_mm = [pydicom.dcmread(one.source).ImagePositionPatient[2] for one in judged.item.origins]
    if shared is not None:
        judged = multiframe(judged, tmp_path / "enhanced.dcm", shared=shared)
    (made,) = of_class(objects_of(judged), ParametricMapStorage)
    assert made.FrameOfReferenceUID == pydicom.dcmread(judged.item.origins[0].source).FrameOfReferenceUID
    assert (made.NumberOfFrames, made.Rows, made.Columns) == (2, *judged.item.slices[0].shape)
    assert "not a localisation" in made.ContentDescription
    assert made.ContentQualification == "RESEARCH"
    values = np.frombuffer(made.FloatPixelData, np.float32).reshape(2, made.Rows, made.Columns)
    heights = [
        group.PlanePositionSequence[0].ImagePositionPatient[2] for group in made.PerFrameFunctionalGroupsSequence
    ]
    for number, pixels in judged.maps.items():
        raw = judged.item.slices[number - 1]
        expected = restore(pixels, raw, judged.record.preprocessing)
        np.testing.assert_array_equal(values[heights.index(heights_mm[number - 1])], expected)
    window = made.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence[0].WindowWidth
    assert np.isclose(np.abs(values).max(), window / 2)
    derived = made.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence
    assert len(derived) == 1


def test_enhanced_source_is_referred_to_by_its_frames(judged: Any, tmp_path: Path) -> None:
    judged = multiframe(judged, tmp_path / "enhanced.dcm", shared=False)
    objects = objects_of(judged)
    capture = of_class(objects, SecondaryCaptureImageStorage)[0]
    assert capture.SourceImageSequence[0].ReferencedFrameNumber == 2
    (group,) = sr.ComprehensiveSR.from_dataset(objects[0]).content.get_image_measurement_groups()
    (image,) = group.source_images
    assert list(image.referenced_frame_numbers) == [1, 2, 3, 4]


def test_enhanced_source_that_was_refused_is_referred_to_as_a_whole(judged: Any, tmp_path: Path) -> None:
    enhanced = multiframe(judged, tmp_path / "enhanced.dcm", shared=True)
    item = replace(enhanced.item, slices=(), origins=enhanced.item.origins[:1], refusal="is a localizer")
    (report,) = result_objects(item, Answer(item.name, "run-1", "refused", item.refusal), judged.record)
    (group,) = sr.ComprehensiveSR.from_dataset(report).content.get_image_measurement_groups()
    assert [one.referenced_frame_numbers for one in group.source_images] == [None]


def test_uids_are_the_same_for_the_same_result_and_others_for_another(judged: Any) -> None:
    def uids(one: Any, **options: Any) -> list[str]:
        made = objects_of(one, **options)
        return [str(value) for each in made for value in (each.SOPInstanceUID, each.SeriesInstanceUID)]

    first = uids(judged)
    assert uids(judged) == first
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in first)
    other_model = replace(judged, record=replace(judged.record, weights_hash="3" * 64))
    other_threshold = replace(judged, record=replace(judged.record, threshold=0.4))
    tested_since = replace(judged, answer=replace(judged.answer, verdict="outside test on north: chance"))
    chosen_since = replace(judged, answer=replace(judged.answer, certified_sensitivity=0.9, chosen_among=40))
    others = [uids(other_model), uids(other_threshold), uids(tested_since), uids(chosen_since)]
    others.append(uids(judged, maps=False))
    assert all(not set(first) & set(other) for other in others)


def test_without_geometry_there_is_no_map_and_that_is_said(
    judged: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def strip(dataset: Any) -> None:
        del dataset.ImageOrientationPatient, dataset.ImagePositionPatient

    stripped = changed(judged, tmp_path / "in", strip)
    objects = objects_of(stripped)
    assert {one.SOPClassUID for one in objects} == {ComprehensiveSRStorage, SecondaryCaptureImageStorage}
    assert "do not state position" in caplog.text


def test_two_slices_in_one_place_make_no_map(judged: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def move(dataset: Any) -> None:
        dataset.ImagePositionPatient = [0, 0, 0]

    # No such series is judged: the files have changed since.
    judged = changed(judged, tmp_path / "in", lambda dataset: None)
    for path in judged.folder.iterdir():
        dataset = pydicom.dcmread(path)
        move(dataset)
        dataset.save_as(path)
    objects = objects_of(judged)
    assert not of_class(objects, ParametricMapStorage)
    assert "in one place" in caplog.text


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPInstanceUID"])
def test_source_without_uid_is_refused_by_name(judged: Any, tmp_path: Path, keyword: str) -> None:
    def strip(dataset: Any) -> None:
        del dataset[keyword]

    with pytest.raises(DataError, match=f"states no {keyword}"):
        objects_of(changed(judged, tmp_path / "in", strip))


def test_item_that_is_no_dicom_is_refused(judged: Any) -> None:
    with pytest.raises(DataError, match="not read from DICOM"):
        objects_of(replace(judged, item=replace(judged.item, origins=())))


def test_other_modality_is_refused(refused: Any, tmp_path: Path) -> None:
    def relabel(dataset: Any) -> None:
        dataset.Modality = "CT"

    changed_ct = changed(refused, tmp_path / "in", relabel)
    with pytest.raises(DataError, match="no MR image"):
        objects_of(changed_ct, maps=False)


def test_map_of_a_slice_that_is_not_there_is_refused(judged: Any) -> None:
    with pytest.raises(DataError, match="map of slice 9; the input has slices 1 to 4"):
        objects_of(replace(judged, maps={9: judged.maps[2]}))


def test_nothing_of_a_patient_is_logged_or_named(
    judged: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.DEBUG)

    def fill(dataset: Any) -> None:
        dataset.PatientName, dataset.PatientID, dataset.PatientSex = "Secretname", "SECRET1", "secret"
        dataset[0x0010, 0x0030]._value = "SECRETDATE"

    filled = changed(judged, tmp_path / "in", fill)
    caplog.clear()
    recwarn.clear()
    objects = objects_of(filled)
    assert objects[0].PatientName == "Secretname"
    assert not objects[0].PatientSex
    paths = write_objects(objects, tmp_path / "out")
    uid = str(objects[0].StudyInstanceUID)
    said = caplog.text + " ".join(str(one.message) for one in recwarn) + " ".join(path.name for path in paths)
    assert [one.getMessage().split(";")[0] for one in caplog.records] == [
        f"the source images have an invalid Patient{what}" for what in ("BirthDate", "Sex")
    ]
    assert "secret" not in said.lower()
    assert uid not in said


@pytest.mark.parametrize("charset", ["ISO_IR 101", "ISO_IR 192"])
def test_names_in_other_scripts_survive(judged: Any, tmp_path: Path, charset: str) -> None:
    def rename(dataset: Any) -> None:
        dataset.SpecificCharacterSet, dataset.PatientName = charset, NAME
        dataset.StudyDescription = "Głowa"

    paths = write_objects(objects_of(changed(judged, tmp_path / "in", rename)), tmp_path / "out")
    for path in paths:
        read = pydicom.dcmread(path)
        assert str(read.PatientName) == NAME
        assert read.StudyDescription == "Głowa"


def test_missing_highdicom_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    for name in ("objects", "parametric_map", "secondary_capture", "structured_report"):
        monkeypatch.delitem(sys.modules, f"medtl.results.{name}")
    with pytest.raises(UsageError, match=r"pip install '\.\[dicom-out\]'"):
        importlib.import_module("medtl.results.objects")


def test_objects_are_made_without_torch() -> None:
    program = "import sys, medtl.results.objects; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_the_worklist_finds_the_sentence_of_each_kind_of_answer(
    judged: Any, unlike: Any, undecided: Any, refused: Any
) -> None:
    said = [_finding_text(objects_of(one, maps=False)[0]) for one in (judged, unlike, undecided, refused)]
    assert [str(one).partition(":")[0] for one in said] == [
        "Tumour suspected",
        "Not assessed, a human must look",
        "Not decided, a human must look",
        "Not assessed",
    ]
