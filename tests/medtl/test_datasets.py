from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from medtl.datasets import load
from medtl.sample_pixels import read, read_mask
from medtl.scanners import scanner_name, scanner_of_header
from shared.errors import ConfigError, DataError
from shared.samples import NOT_STATED, Meanings, Position
from shared.task import Preprocessing

SPEC = Preprocessing(32)


def picture(path: Path, value: int = 200) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.zeros((40, 30), dtype=np.uint8)
    grey[5:35, 5:25] = value
    Image.fromarray(grey).save(path)


def dicom(
    path: Path, patient: str = "P1", maker: str = "SIEMENS", modality: str = "MR", *, blank: bool = False
) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    tags = Dataset()
    tags.file_meta = FileMetaDataset()
    tags.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    tags.file_meta.MediaStorageSOPClassUID = tags.SOPClassUID = MRImageStorage
    tags.file_meta.MediaStorageSOPInstanceUID = tags.SOPInstanceUID = generate_uid()
    tags.Modality, tags.Manufacturer, tags.PatientID = modality, maker, patient
    tags.SeriesInstanceUID = "1.2.3"
    tags.ImageOrientationPatient, tags.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
    tags.Rows, tags.Columns, tags.SamplesPerPixel = 20, 20, 1
    tags.PhotometricInterpretation, tags.PixelRepresentation = "MONOCHROME2", 0
    tags.BitsAllocated, tags.BitsStored, tags.HighBit = 16, 16, 15
    tags.PixelData = (np.zeros(400, dtype="<u2") if blank else np.arange(400, dtype="<u2")).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    tags.save_as(path, enforce_file_format=True)


def volume(path: Path) -> None:
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    nibabel.Nifti1Image(voxels, np.diag([1, 1, 3, 1])).to_filename(path)


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def packed(root: Path) -> Path:
    target = root.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as file:
        for path in root.rglob("*"):
            file.write(path, path.relative_to(root))
    return target


def test_folders_by_class_below_splits_and_a_wrapping_folder(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for split in ("Training", "Testing"):
        for name in ("glioma_tumor", "no_tumor"):
            for number in (1, 2, 10):
                picture(root / "wrapped" / split / name / f"image({number}).png", 100 + number)
    (root / "wrapped" / "readme.txt").write_text("hello")
    plain, zipped = load(root, {}), load(packed(root), {})
    assert plain.classes == ("no_tumour", "glioma")
    assert Counter((s.split, s.label) for s in plain.samples) == {
        (split, label): 3 for split in ("train", "test") for label in plain.classes
    }
    assert [s.id for s in plain.samples] == [s.id for s in zipped.samples]
    assert plain.content_hash == zipped.content_hash
    order = [Path(s.source).name for s in plain.samples[:3]]
    assert order == ["image(1).png", "image(2).png", "image(10).png"]
    assert any("1 files" in note for note in plain.notes)
    np.testing.assert_array_equal(read(plain.samples[0]), read(zipped.samples[0]))


def test_labels_can_be_made_binary(tmp_path: Path) -> None:
    for name in ("no", "glioma", "meningioma"):
        picture(tmp_path / name / "1.png")
    kind, binary = load(tmp_path, {}), load(tmp_path, {"labels": "binary"})
    assert kind.classes == ("no_tumour", "glioma", "meningioma")
    assert binary.classes == ("no_tumour", "tumour")
    with pytest.raises(ConfigError, match="labels"):
        load(tmp_path, {"labels": "both"})


def test_a_copy_of_the_tree_inside_itself_is_refused_with_the_path_to_give(tmp_path: Path) -> None:
    picture(tmp_path / "yes" / "1.png")
    picture(tmp_path / "brain_tumor_dataset" / "yes" / "1.png")
    with pytest.raises(DataError, match="1 images in class, 1 images in site/class") as fault:
        load(tmp_path, {})
    assert f"give one tree alone: {tmp_path / 'brain_tumor_dataset'};" in str(fault.value)


def test_a_class_within_a_class_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "yes" / "1.png")
    picture(tmp_path / "no" / "glioma" / "1.png")
    with pytest.raises(DataError, match="folder glioma lies within what looks like the class no"):
        load(tmp_path, {})


def test_the_folder_of_a_site_stands_against_the_scanner_in_the_tags(tmp_path: Path) -> None:
    for site in ("north", "south"):
        for name in ("yes", "no"):
            dicom(tmp_path / site / name / "IM0001", patient=f"{site} {name}")
    samples = load(tmp_path, {}, meanings=Meanings(folders_above="domains")).samples
    assert {s.domain for s in samples} == {"north", "south"}
    assert len({s.group for s in samples}) == 4


def test_dicom_tags_say_who_and_where(tmp_path: Path) -> None:
    for number, patient in enumerate(("P1", "P1", "P2")):
        dicom(tmp_path / "tree" / f"{number}.dcm", patient, "GE MEDICAL SYSTEMS" if number else "SIEMENS")
    table(
        tmp_path / "tree" / "labels.csv",
        "path,label,patient,scanner,slice",
        "0.dcm,no_tumour,P1,SIEMENS,17",
        "1.dcm,glioma,P9,Philips,18",
        "2.dcm,glioma,P2,GE,19",
    )
    dataset = load(tmp_path, {})
    first, second, third = dataset.samples
    assert first.group == second.group != third.group
    assert [s.domain for s in dataset.samples] == ["siemens", "ge", "ge"]
    assert [note[:7] for note in dataset.notes] == ["1 files", "1 files"]
    assert read(second).shape == (20, 20)
    assert not any("P1" in f"{s.id}{s.group}{s.domain}" for s in dataset.samples)


def test_own_group_and_domain_stand(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", "ANON")
    dicom(tmp_path / "b.dcm", "ANON")
    path = table(tmp_path / "m.csv", "path;label;group;domain", "a.dcm;yes;1;North", "b.dcm;no;2;South")
    samples = load(path, {}).samples
    assert samples[0].group != samples[1].group
    assert [s.domain for s in samples] == ["North", "South"]


def test_folders_by_class_of_dicom(tmp_path: Path) -> None:
    for name in ("yes", "no"):
        dicom(tmp_path / name / "anyone" / "IM0001", patient=name)
    samples = load(tmp_path, {}).samples
    assert len({s.group for s in samples}) == 2
    assert {s.domain for s in samples} == {"siemens"}


def test_other_modalities_are_refused(tmp_path: Path) -> None:
    dicom(tmp_path / "yes" / "secret-name.dcm", modality="CT")
    with pytest.raises(DataError, match="CT; only MR images") as fault:
        load(tmp_path, {})
    assert "secret-name" not in str(fault.value)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_volumes_give_a_sample_a_slice(tmp_path: Path, suffix: str) -> None:
    volume(tmp_path / f"v{suffix}")
    whole = load(table(tmp_path / "whole.csv", "path,label", f"v{suffix},glioma"), {})
    assert [s.frame for s in whole.samples] == list(range(6))
    assert len({s.group for s in whole.samples}) == 1
    assert whole.samples[0].group is not None
    assert len({s.id for s in whole.samples}) == 6
    assert any("label for all slices" in note for note in whole.notes)
    some = table(tmp_path / "some.csv", "path,label,slice", f"v{suffix},glioma,2", f"v{suffix},no,3")
    sample = load(some, {}).samples[0]
    # From the front down, patient's right on the left: voxel x runs right, y to the front.
    expected = np.arange(4 * 5 * 6).reshape(4, 5, 6)[::-1, ::-1, 2].T
    np.testing.assert_array_equal(read(sample), expected)


def test_slices_that_do_not_say_how_they_lie_are_counted(tmp_path: Path) -> None:
    dicom(tmp_path / "glioma" / "1.dcm")
    tags = pydicom.dcmread(tmp_path / "glioma" / "1.dcm")
    del tags.ImageOrientationPatient
    tags.save_as(tmp_path / "glioma" / "2.dcm")
    notes = load(tmp_path, {}).notes
    assert [note for note in notes if "how they lie" in note] == [
        "1 files: the slices do not state how they lie in the patient: they are judged as they are stored."
    ]


def test_all_faults_are_reported_at_once_without_names(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    path = table(
        tmp_path / "m.csv",
        "path,label,split,mask",
        "a.png,yes,train,",
        "./a.png,yes,train,",
        "doe-john.png,yes,,",
        "a.png,,,",
        "a.png,yes,holdout,",
        "a.png,yes,,none.png",
        ",yes,,",
        "./a.png,no,,",
    )
    with pytest.raises(
        DataError, match=r"(?s)^7 faults.*row 3: .*same image as row 2.*row 4.*holdout.*2 more"
    ) as fault:
        load(path, {})
    assert "doe-john" not in str(fault.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("file,kind", "a.png,yes"), "no column label"),
        (("path,label",), "no row"),
        (("path,image,label", "a,a,yes"), "path and image"),
        (("path,label", "a.png,yes,more"), "more fields"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(table(tmp_path / "m.csv", *lines), {})


def test_unknown_layouts_are_refused_with_advice(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    with pytest.raises(DataError, match="give folders by class"):
        load(tmp_path, {})
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "nothing.csv", {})


def test_without_labels_every_image_counts_and_tags_still_say_who_and_where(tmp_path: Path) -> None:
    for number, patient in enumerate(("P1", "P1", "P2")):
        dicom(tmp_path / "export" / patient / f"IM{number}", patient)
    picture(tmp_path / "export" / "glioma" / "1.png")
    volume(tmp_path / "export" / "v.nii")
    (tmp_path / "export" / "notes.txt").write_text("x")
    dataset = load(tmp_path / "export", {"labels": "binary"}, unlabelled=True)
    assert (len(dataset.samples), dataset.classes) == (4 + 6, ())
    assert {sample.label for sample in dataset.samples} == {None}
    scanned = [sample for sample in dataset.samples if sample.has_global_group_id]
    assert len({sample.group for sample in scanned}) == 2
    assert {sample.domain for sample in scanned} == {"siemens"}
    assert dataset.notes == ("1 files that are no image were left out.",)


def test_a_table_without_labels_needs_none(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    listed = table(tmp_path / "m.csv", "path,patient", "1.png,7")
    (sample,) = load(listed, {}, unlabelled=True).samples
    assert (sample.label, sample.group is None) == (None, False)
    with pytest.raises(DataError, match="no column label"):
        load(listed, {})


@pytest.mark.parametrize("synthetic", [True, False])
def test_synthetic_data_say_so(tmp_path: Path, synthetic: bool) -> None:
    picture(tmp_path / "a.png")
    table(tmp_path / "labels.csv", "path,label", "a.png,yes")
    (tmp_path / "phantom.json").write_text(json.dumps({"synthetic": synthetic}))
    assert load(tmp_path, {}).synthetic is synthetic


def test_scanners_have_one_spelling() -> None:
    assert scanner_name("GE MEDICAL SYSTEMS") == scanner_name("GE Healthcare") == "ge"
    assert scanner_name("Siemens Healthineers", "Prisma") == "siemens prisma"
    assert scanner_name("Imagedata") == "imagedata"


@pytest.mark.parametrize(
    ("maker", "model", "name"),
    [
        ("SIEMENS", "Prisma_fit", "siemens prisma fit"),
        ("G.E. Medical Systems", "GENESIS_SIGNA", "ge genesis signa"),
        ("Philips", "Ingenia Elition X", "philips ingenia elition x"),
        ("PHANTOM", "Atlas", "phantom atlas"),
        ("Siemens", "of John Doe", "siemens"),
        ("Doe^John", "Prisma", ""),
        ("phantom of a Doe", "", ""),
        ("", "", ""),
    ],
)
def test_header_names_a_scanner_in_known_words_only(maker: str, model: str, name: str) -> None:
    assert scanner_of_header(maker, model) == name


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count", "classes", "domains", "groups"),
    [
        ("sartaj.zip", 3264, 4, 1, 1),
        ("navoneel.zip", 253, 2, 1, 1),
        ("gbm_dicom.zip", 440, 2, 2, 11),
        ("cheng_masks.zip", 750, 3, 1, 1),
    ],
)
def test_real_archives(data_dir: Path, name: str, count: int, classes: int, domains: int, groups: int) -> None:
    dataset = load(data_dir / name, {})
    assert len({s.id for s in dataset.samples}) == len(dataset.samples) == count
    assert len(dataset.classes) == classes
    assert len({s.domain for s in dataset.samples}) == domains
    assert len({s.group for s in dataset.samples}) == groups
    with_mask = [s for s in dataset.samples if s.mask][:3]
    assert all(mask is not None and mask.any() for mask in (read_mask(s, Preprocessing(128)) for s in with_mask))


def test_the_type_stands_beside_a_class_that_only_says_whether_there_is_a_tumour(tmp_path: Path) -> None:
    for number in range(1, 5):
        picture(tmp_path / f"{number}.png", 100 + number)
    rows = ("1.png,glioma,axial", "2.png,pituitary,", "3.png,yes,coronal", "4.png,no,axial")
    path = table(tmp_path / "labels.csv", "path,label,label:plane", *rows)
    plain, binary = load(path, {}), load(path, {"labels": "binary"})
    assert [dict(s.auxiliary) for s in plain.samples] == [
        {"plane": "axial"},
        {},
        {"plane": "coronal"},
        {"plane": "axial"},
    ]
    assert [dict(s.auxiliary) for s in binary.samples] == [
        {"type": "glioma", "plane": "axial"},
        {"type": "pituitary"},
        {"plane": "coronal"},
        {"plane": "axial"},
    ]
    assert {s.label for s in binary.samples} == {"tumour", "no_tumour"}


def test_a_table_states_series_order_plane_and_contrast_of_pictures(tmp_path: Path) -> None:
    for number in range(1, 6):
        picture(tmp_path / f"{number}.png", 100 + number)
    rows = (
        "1.png,no,a,one,2,flair,Axial",
        "2.png,no,a,one,1,flair,axial",
        "3.png,no,b,one,1,t1_post,",
        "4.png,no,b,,,t2,",
    )
    path = table(tmp_path / "labels.csv", "path,label,group,series,slice number,contrast,plane", *rows)
    samples = {Path(one.source).stem: one for one in load(path, {}).samples}
    assert samples["1"].series == samples["2"].series != samples["3"].series
    assert samples["4"].series is None
    assert [samples[name].position for name in "1234"] == [
        Position(2.0, "slices"),
        Position(1.0, "slices"),
        Position(1.0, "slices"),
        None,
    ]
    assert [dict(samples[name].acquisition) for name in "1234"] == [
        {"plane": "axial", "contrast": "FLAIR"},
        {"plane": "axial", "contrast": "FLAIR"},
        {"contrast": "T1 with contrast agent"},
        {"contrast": "T2"},
    ]


def test_words_of_a_table_that_name_no_contrast_are_not_stated_and_numbers_must_be_some(tmp_path: Path) -> None:
    picture(tmp_path / "1.png", 101)
    columns = "path,label,series,number,contrast"
    found = load(table(tmp_path / "labels.csv", columns, "1.png,no,a,1,yes"), {})
    assert dict(found.samples[0].acquisition) == {}
    assert "1 images have a contrast in the table that has no meaning here: it counts as not stated." in found.notes
    with pytest.raises(DataError, match=r"the number of the slice is 'first'; allowed is a whole number"):
        load(table(tmp_path / "labels.csv", columns, "1.png,no,a,first,flair"), {})


def test_files_are_believed_before_the_table_on_place_and_plane(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).random((40, 40, 3)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 5.0, 1.0])), tmp_path / "a.nii.gz")
    path = table(tmp_path / "labels.csv", "path,label,plane,contrast,number", "a.nii.gz,no,coronal,t1,7")
    samples = load(path, {}).samples
    assert [one.position for one in samples] == [Position(5.0 * i) for i in range(3)]
    assert {(one.acquisition["plane"], one.acquisition["contrast"]) for one in samples} == {("axial", "T1")}


def test_a_volume_has_the_contrast_of_its_name_where_the_table_states_none(tmp_path: Path) -> None:
    for name in ("a_FLAIR.nii", "b_T1w.nii", "c_T2w.nii", "d.nii"):
        volume(tmp_path / name)
    picture(tmp_path / "e_FLAIR.png")
    rows = ("a_FLAIR.nii,no,,0", "b_T1w.nii,no,T2,0", "c_T2w.nii,no,yes,0", "d.nii,no,,0", "e_FLAIR.png,no,,")
    found = load(table(tmp_path / "labels.csv", "path,label,contrast,slice", *rows), {})
    contrasts = {Path(one.source).name[0]: one.acquisition.get("contrast") for one in found.samples}
    assert contrasts == {"a": "FLAIR", "b": "T2", "c": NOT_STATED, "d": NOT_STATED, "e": None}
    assert [note for note in found.notes if "name" in note] == ["1 files: contrast FLAIR, by the name of the file."]
