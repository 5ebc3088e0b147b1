"""DICOM objects are made here with pydicom; the awkward real ones come from MEDTL_DATA."""

from __future__ import annotations

import io
import logging
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

from medtl.dicom import bounds as dicom_bounds
from medtl.dicom.acquisition import Contrast
from medtl.dicom.geometry import ImagePlane
from medtl.dicom.header import Equipment, Identifiers
from medtl.dicom.reader import DicomObject, read_dicom, read_header, untrusted_decoding
from shared.errors import InputRefused
from tests.medtl.mutation_seeds import dicom_seeds

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
STORED = np.arange(48 * 40, dtype=np.uint16).reshape(48, 40)
NAME = "Doe^Jane"


def mr(stored: Any = STORED, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = MR_IMAGE
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "MR"
    dataset.Manufacturer = "SIEMENS"
    dataset.PatientName = NAME
    dataset.PatientID = "4711"
    dataset.BodyPartExamined = "BRAIN"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    dataset.SeriesInstanceUID = "1.2.3"
    dataset.InstanceNumber = 7
    dataset.MagneticFieldStrength = "1.5"
    dataset.ImagePositionPatient = [1, 2, 3.5]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset["PixelData"] = pydicom.DataElement(0x7FE00010, "OW", stored.astype(f"{order}u2").tobytes())
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def to_bytes(dataset: Dataset, **options: Any) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(stream, dataset, **(options or {"enforce_file_format": True}))
    return stream.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(InputRefused) as caught:
        read_dicom(data)
    message = str(caught.value)
    assert "\n" not in message
    assert "Doe" not in message
    assert "4711" not in message
    return message


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_pixels_are_the_same_in_every_uncompressed_syntax(syntax: str) -> None:
    np.testing.assert_array_equal(read_dicom(to_bytes(mr(syntax=syntax))).frames[0], STORED)


def test_run_length_encoding_is_decoded() -> None:
    dataset = mr()
    dataset.compress(RLELossless)
    np.testing.assert_array_equal(read_dicom(to_bytes(dataset)).frames[0], STORED)


def test_header_says_where_and_what() -> None:
    header = read_header(to_bytes(mr()))
    assert (header.modality, header.equipment) == ("MR", Equipment("SIEMENS", ""))
    assert header.examination.body_part == "BRAIN"
    assert header.identifiers == Identifiers("4711", "", "1.2.3", 7)
    assert header.geometry.planes == (ImagePlane((1.0, 2.0, 3.5), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),)
    assert (header.acquisition.field_strength_t, header.layout.frames) == (1.5, 1)
    assert header.layout.transfer_syntax_name == "Explicit VR Little Endian"


def test_header_of_other_objects_is_read_too() -> None:
    assert read_header(to_bytes(mr(Modality="CT"))).modality == "CT"


def test_slope_and_intercept_are_applied() -> None:
    frames = read_dicom(to_bytes(mr(RescaleSlope="2", RescaleIntercept="-10"))).frames
    np.testing.assert_array_equal(frames[0], STORED * 2.0 - 10.0)
    assert frames.dtype == np.float32


def test_slope_of_zero_is_refused() -> None:
    assert "slope of 0" in refusal(to_bytes(mr(RescaleSlope="0", RescaleIntercept="0")))


def test_monochrome1_is_inverted() -> None:
    frames = read_dicom(to_bytes(mr(PhotometricInterpretation="MONOCHROME1"))).frames
    np.testing.assert_array_equal(frames[0], 65535.0 - STORED)


def enhanced(per_frame: int = 3) -> Dataset:
    dataset = mr(np.stack([STORED, STORED + 1, STORED + 2]), NumberOfFrames=3, SOPClassUID=ENHANCED_MR)
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    shared_group, plane = Dataset(), Dataset()
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared_group.PlaneOrientationSequence = [plane]
    dataset.SharedFunctionalGroupsSequence = [shared_group]
    groups = []
    for index in range(per_frame):
        group, position, values = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 5 * index]
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = str(index + 1), "0", "US"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [position], [values]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    return dataset


def test_enhanced_frames_have_their_own_place_and_scale() -> None:
    image = read_dicom(to_bytes(enhanced()))
    np.testing.assert_array_equal(image.frames[2], (STORED + 2) * 3.0)
    axial = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert image.header.geometry.planes == tuple(ImagePlane((0.0, 0.0, 5.0 * index), axial) for index in range(3))


def test_frames_are_slices_whatever_the_image_type_calls_them() -> None:
    dataset = enhanced()
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    assert read_dicom(to_bytes(dataset)).frames.shape == (3, *STORED.shape)


def test_frames_say_what_tells_images_of_one_place_apart() -> None:
    dataset = enhanced()
    for index, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        echo, content = Dataset(), Dataset()
        echo.EffectiveEchoTime, content.TemporalPositionIndex, content.FrameAcquisitionNumber = 10.0 * index, index, 5
        group.MREchoSequence, group.FrameContentSequence = [echo], [content]
    assert read_header(to_bytes(dataset)).acquisition.contrasts == tuple(
        Contrast(10.0 * index, index, 5) for index in range(3)
    )
    single = mr(EchoTime="14", TemporalPositionIdentifier=2, AcquisitionNumber=3)
    assert read_header(to_bytes(single)).acquisition.contrasts == (Contrast(14.0, 2, 3),)


@pytest.mark.parametrize("b_value", [0.0, 1000.0])
def test_enhanced_object_is_weighted_by_diffusion_if_one_frame_is(b_value: float) -> None:
    dataset, weighting = enhanced(), Dataset()
    weighting.DiffusionBValue = b_value
    dataset.PerFrameFunctionalGroupsSequence[1].MRDiffusionSequence = [weighting]
    assert read_header(to_bytes(dataset)).acquisition.is_diffusion is bool(b_value)


def test_enhanced_frames_that_are_not_all_described_are_refused() -> None:
    assert "states 3 frames and describes 2" in refusal(to_bytes(enhanced(per_frame=2)))


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"Modality": "CT"}, "modality CT"),
        ({"Modality": NAME.upper()}, "modality unknown"),
        ({"Modality": "SR"}, "modality SR"),
        ({"Modality": "DOE JANE"}, "modality unknown"),
        ({"Modality": "\N{NO-BREAK SPACE}"}, "modality unknown"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66"}, "Raw Data Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "Secondary Capture"),
        ({"SOPClassUID": "1.2.3.4711"}, "unknown kind"),
        ({"PhotometricInterpretation": "RGB"}, "1 samples a pixel where RGB has 3"),
        ({"PhotometricInterpretation": NAME.upper()}, "photometric interpretation that is not read"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "does not state NumberOfImagesInMosaic"),
        ({"ScanningSequence": ["EP", "SE"]}, "echo-planar"),
        ({"EchoPlanarPulseSequence": "YES"}, "echo-planar"),
        ({"DiffusionBValue": 1000.0}, "diffusion"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"SeriesDescription": "3-plane scout"}, "localizer"),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, "diffusion"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP"]}, "phase"),
        ({"ComplexImageComponent": "PHASE"}, "complex component PHASE"),
        ({"ImageType": ["DERIVED", "SECONDARY", "PROJECTION IMAGE"]}, "projection"),
        ({"BodyPartExamined": "KNEE"}, "shows KNEE"),
        ({"BodyPartExamined": "", "StudyDescription": f"{NAME} KNEE-RT."}, "shows a leg or an arm"),
        ({"BodyPartExamined": "OTHER", "SeriesDescription": "t2_tse_sag L-Spine"}, "shows the spine"),
        ({"BodyPartExamined": "", "ProtocolName": "liver dyn"}, "shows the trunk"),
        ({"NumberOfFrames": 19_511_224}, "frames outside of 1 to"),
        ({"Rows": 65_535, "Columns": 65_535}, "65535 x 65535"),
        ({"RescaleSlope": "nan", "RescaleIntercept": "0"}, "RescaleSlope"),
    ],
)
def test_what_must_not_be_judged_is_refused(tags: dict[str, Any], reason: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = to_bytes(mr(**tags))
    assert reason in refusal(data)


@pytest.mark.parametrize("body_part", ["HEAD", "BRAIN", "HEADNECK", "SKULL", "", "UNKNOWN", "DOE JANE"])
def test_heads_and_body_parts_that_are_not_known_pass(body_part: str) -> None:
    assert len(read_dicom(to_bytes(mr(BodyPartExamined=body_part))).frames) == 1


@pytest.mark.parametrize("text", ["brain and whole spine", "hippocampus", "FFE neck", "sT2 TSE"])
def test_texts_that_name_the_head_or_no_other_part_pass(text: str) -> None:
    assert len(read_dicom(to_bytes(mr(BodyPartExamined="", StudyDescription=text))).frames) == 1


def test_blank_image_is_refused_unless_it_belongs_to_a_series() -> None:
    data = to_bytes(mr(np.zeros_like(STORED)))
    assert "blank" in refusal(data)
    assert not read_dicom(data, allow_blank=True).frames.any()


def test_truncated_pixels_are_refused_with_what_is_there() -> None:
    assert "truncated: 3740 of 3840 bytes" in refusal(to_bytes(mr())[:-100])


def test_object_without_pixels_is_refused() -> None:
    dataset = mr()
    del dataset.PixelData
    assert "no pixels" in refusal(to_bytes(dataset))


def test_pixels_behind_a_stray_end_of_an_item_are_not_read() -> None:
    data = to_bytes(mr())
    at = data.index(b"\xe0\x7f\x10\x00")
    assert "no pixels" in refusal(data[:at] + b"\xfe\xff\x0d\xe0\0\0\0\0" + data[at:])


def test_length_of_pixels_is_not_taken_for_letters() -> None:
    stored = np.arange(33 * 257, dtype=np.uint16).reshape(33, 257)  # 16,962 bytes: as text, "BB"
    np.testing.assert_array_equal(read_dicom(to_bytes(mr(stored, ImplicitVRLittleEndian))).frames[0], stored)


def test_file_without_preamble_and_meta_header_is_read() -> None:
    dataset = mr()
    del dataset.file_meta
    data = to_bytes(dataset, implicit_vr=True, little_endian=True)
    assert data[128:132] != b"DICM"
    np.testing.assert_array_equal(read_dicom(data).frames[0], STORED)


@pytest.mark.parametrize("data", [b"", b"hello", b"\0" * 4096, b"\xff" * 300, b"%PDF-1.7\n" + b"x" * 900])
def test_what_is_not_dicom_is_refused(data: bytes) -> None:
    assert "neither DICOM" in refusal(data)


def test_unknown_compression_is_named_and_refused() -> None:
    data = to_bytes(mr()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
    assert "unknown transfer syntax" in refusal(data)


def test_video_is_refused_by_its_name() -> None:
    dataset = mr(syntax="1.2.840.10008.1.2.4.100")
    dataset["PixelData"].is_undefined_length = True
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0" * 64])
    assert "MPEG2" in refusal(to_bytes(dataset))


def jpeg(rows: int, columns: int, end: bytes = b"\xff\xd9", syntax: str = ".80", **tags: Any) -> bytes:
    size = rows.to_bytes(2) + columns.to_bytes(2)
    dataset = mr(syntax=f"1.2.840.10008.1.2.4{syntax}", **tags)
    stream = b"\xff\xd8\xff\xf7\x00\x0b\x10" + size + b"\x01\x01\x11\x00" + b"\0" * 64 + end
    dataset.PixelData = pydicom.encaps.encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    return to_bytes(dataset)


def test_codestream_of_another_size_is_refused_before_it_is_decoded() -> None:
    assert "not of the size" in refusal(jpeg(60_000, 60_000))


def test_codestream_that_unpacks_to_more_than_any_image_does_is_refused_before_it_is_decoded() -> None:
    assert "as no image of its size does" in refusal(jpeg(4096, 4096, Rows=4096, Columns=4096, NumberOfFrames=16))


def test_codestream_without_end_is_refused() -> None:
    assert "no end" in refusal(jpeg(48, 40, end=b""))


def test_deflated_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = to_bytes(mr(syntax=DeflatedExplicitVRLittleEndian))
    monkeypatch.setattr(dicom_bounds, "most_unpacked", lambda packed: 1000)
    assert "inflates to more than 1000 bytes" in refusal(data)


def test_what_an_object_takes_in_memory_is_counted_as_it_lies_there() -> None:
    plain = DicomObject(to_bytes(mr())).size
    packed = mr(syntax=DeflatedExplicitVRLittleEndian)
    packed.add_new((0x0011, 0x1001), "OB", bytes(1_000_000))
    assert len(to_bytes(packed)) < 10_000
    assert DicomObject(to_bytes(packed)).size > 2_000_000  # in the file as it is inflated, and in the element
    many, nested = mr(), mr()
    for number in range(1, 200):
        many.add_new((0x0011, 0x1000 + number), "LO", "a")
    nested.SourceImageSequence = [Dataset() for _ in range(200)]
    for item in nested.SourceImageSequence:
        item.ReferencedSOPClassUID = "1.2"
        item.is_undefined_length_sequence_item = True
    nested["SourceImageSequence"].is_undefined_length = True
    for dataset in (many, nested):
        assert DicomObject(to_bytes(dataset)).size > plain + 190 * 1024


def test_frame_larger_than_any_of_mr_is_refused_before_it_is_decoded() -> None:
    assert "a frame of 8192 x 4096" in refusal(jpeg(8192, 4096, Rows=8192, Columns=4096))


@pytest.mark.parametrize(("allocated", "stored"), [(64, 16), (12, 12), (8, 16), (16, 0)])
def test_bits_that_no_image_has_are_refused_before_a_codec_sees_them(allocated: int, stored: int) -> None:
    data = jpeg(48, 40, syntax=".70", BitsAllocated=allocated, BitsStored=stored)
    assert "bits" in refusal(data)


def test_codestream_of_more_bits_than_allocated_is_refused() -> None:
    assert "more bits" in refusal(jpeg(48, 40, BitsAllocated=8, BitsStored=8))


def test_lengths_without_an_end_are_not_followed_for_ever() -> None:
    dataset = mr()
    del dataset.file_meta
    data = to_bytes(dataset, implicit_vr=True, little_endian=True)
    endless = b"\x40\0\x96\x90\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    place = data.index(b"\x10\0\x10\0")
    start = time.process_time()
    refusal(data[:place] + endless * 20_000 + data[place + 3 :])
    assert time.process_time() - start < 2


def test_deflated_part_without_end_is_refused() -> None:
    assert "deflated part has no end" in refusal(to_bytes(mr(syntax=DeflatedExplicitVRLittleEndian))[:-200])


def test_lossless_codestream_of_fewer_bits_than_pixels_is_refused() -> None:
    assert "too few bytes" in refusal(jpeg(48, 40, syntax=".70"))


def test_codestream_that_lacks_tiles_is_refused() -> None:
    whole = dicom_seeds()["jpeg_2000"]
    assert len(read_dicom(whole).frames) == 1
    size = whole.index(b"\xff\x4f\xff\x51") + 8
    tiles = size + 16
    side = int.from_bytes(whole[size : size + 4]) // 2
    quartered = whole[:tiles] + side.to_bytes(4) * 2 + whole[tiles + 8 :]
    assert "lacks 3 of its tiles" in refusal(quartered)


def test_nothing_but_a_refusal_leaves_for_damaged_bytes() -> None:
    whole = to_bytes(enhanced())
    random = np.random.default_rng(0)
    refusals = []
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(0, 2500, size=8):
            data[place] = random.integers(256)
        try:
            read_dicom(bytes(data[: random.integers(1, len(data) + 1)] if random.random() < 0.3 else data))
        except InputRefused as refused:
            refusals.append(str(refused))
    assert len(refusals) > 20
    assert not any("\n" in text or "Doe" in text for text in refusals)


@pytest.mark.parametrize("fault", [RecursionError, MemoryError, KeyError, zlib.error])
def test_faults_of_decoders_become_refusals_without_their_message(fault: Callable[[str], Exception]) -> None:
    with pytest.raises(InputRefused) as caught, untrusted_decoding():
        raise fault(NAME)
    assert "Doe" not in str(caught.value)


def test_logs_of_decoders_stay_inside(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("pydicom")
    with untrusted_decoding():
        logger.warning(NAME)
    logger.warning("afterwards")
    assert [record.message for record in caplog.records] == ["afterwards"]


def test_reading_changes_nothing_global() -> None:
    before = (pydicom.config.settings.reading_validation_mode, list(warnings.filters))
    read_dicom(to_bytes(mr()))
    assert (pydicom.config.settings.reading_validation_mode, list(warnings.filters)) == before


@pytest.fixture
def real(data_dir: Path) -> Callable[[str], bytes]:
    archive = zipfile.ZipFile(data_dir / "dicom.zip")
    names = {name.split("/", 1)[1]: name for name in archive.namelist() if "/" in name}
    return lambda name: archive.read(names[name])


@pytest.mark.data
@pytest.mark.parametrize("image", ["MR1", "MR4"])
@pytest.mark.parametrize("coding", ["J2KR", "JLSL", "JPLL", "RLE"])
def test_lossless_compression_loses_nothing(real: Callable[[str], bytes], image: str, coding: str) -> None:
    plain = read_dicom(real(f"wg04_compressed/{image}_UNC")).frames
    np.testing.assert_array_equal(read_dicom(real(f"wg04_compressed/{image}_{coding}")).frames, plain)


@pytest.mark.data
@pytest.mark.parametrize("image", ["MR1", "MR4"])
@pytest.mark.parametrize("coding", ["J2KI", "JLSN"])
def test_lossy_compression_stays_close(real: Callable[[str], bytes], image: str, coding: str) -> None:
    plain = read_dicom(real(f"wg04_compressed/{image}_UNC")).frames
    lossy = read_dicom(real(f"wg04_compressed/{image}_{coding}")).frames
    assert np.corrcoef(plain.ravel(), lossy.ravel())[0, 1] > 0.99


@pytest.mark.data
@pytest.mark.parametrize("coding", ["UNC", "RLE", "J2KI"])
def test_knee_is_refused_by_what_its_study_is_called(real: Callable[[str], bytes], coding: str) -> None:
    assert refusal(real(f"wg04_compressed/MR3_{coding}")) == (
        "shows a leg or an arm according to its descriptions; only the head is judged"
    )


@pytest.mark.data
def test_colour_map_of_diffusion_is_refused_as_diffusion(data_dir: Path) -> None:
    with zipfile.ZipFile(data_dir / "dicom.zip") as archive:
        (name,) = (one for one in archive.namelist() if "/enhanced_colour_fa/" in one and not one.endswith("/"))
        assert "diffusion" in refusal(archive.read(name))


@pytest.mark.data
def test_twelve_bit_jpeg_is_refused_by_its_name(real: Callable[[str], bytes]) -> None:
    assert "JPEG Extended with 12 bits" in refusal(real("wg04_compressed/MR1_JPLY"))


@pytest.mark.data
def test_small_brain_is_the_same_in_all_encodings(real: Callable[[str], bytes]) -> None:
    plain = read_dicom(real("edge_cases/MR_small.dcm")).frames
    for coding in ("RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"):
        np.testing.assert_array_equal(read_dicom(real(f"edge_cases/MR_small_{coding}.dcm")).frames, plain)
