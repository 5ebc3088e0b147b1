"""One tiny series as a scanner would send it, judged; and makers of single MR images and of Siemens headers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from medtl.inputs import read_inputs
from medtl.phantom.dataset import write_phantom
from medtl.task import TASK
from shared.data.descriptors import CopyRule
from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.ood import Reference
from shared.io.atomic import write_json
from shared.prediction.answer import CAUTION, UNDECIDED, Answer, SliceAnswer
from shared.runs.folder import finish
from shared.runs.record import ModelRecord
from shared.runs.seen import Seen
from shared.task import Item, Preprocessing

SIZE = 32
PROBABILITIES = (0.2, 0.9, 0.4, 0.7)


@dataclass(frozen=True)
class Judged:
    """A series, what was answered, by which model, and attributions of two of its slices."""

    folder: Path
    item: Item
    answer: Answer
    record: ModelRecord
    maps: dict[int, np.ndarray]


@pytest.fixture(scope="session")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four slices of one patient. Read them only."""
    out = tmp_path_factory.mktemp("scanned") / "data"
    write_phantom(out, patients=1, scanners=("cirrus",), slices=len(PROBABILITIES), healthy_share=0.0)
    (first, *_) = out.rglob("IM*.dcm")
    return first.parent


@pytest.fixture
def judged(scanned: Path) -> Judged:
    return judge(scanned)


def judge(folder: Path) -> Judged:
    """A series of up to four slices, as if a model had answered."""
    (item,) = read_inputs([folder])
    record = ModelRecord(
        task="medtl",
        classes=("no_tumour", "glioma"),
        positive=(False, True),
        preprocessing=Preprocessing(SIZE, 1, TASK.default_options),
        threshold=0.5,
        operating_point={"statement": "1 misses in 99 positive patients"},
        rejection=None,
        aggregation=Aggregation(),
        certified_sensitivity=0.953,
        certified_error=None,
        ood={"threshold": 0.2, "rate": 0.01, "units": 12},
        temperature=1.0,
        backbone={"name": "convnet_small"},
        domains=("cirrus",),
        acquisition={},
        synthetic=True,
        data_hash="1" * 64,
        weights_hash="2" * 64,
        copy_rule=CopyRule(mirrored=True, altered=True),
    )
    random = np.random.default_rng(0)
    maps = {number: random.normal(size=(SIZE, SIZE)).astype(np.float32) for number in (2, 4)}
    answer = Answer(item.name, "run-1", "refused", item.refusal) if item.refusal else _assessed(item)
    return Judged(folder, item, answer, record, maps)


def _assessed(item: Item) -> Answer:
    slices = tuple(
        SliceAnswer(
            number,
            "glioma",
            {"no_tumour": 1 - value, "glioma": value},
            value,
            "positive" if value > 0.5 else "negative",
            0.05,
        )
        for number, value in enumerate(PROBABILITIES[: len(item.slices)], start=1)
    )
    return Answer(
        item.name,
        "run-1",
        "assessed",
        label="glioma",
        decision="positive",
        probabilities={"no_tumour": 0.1, "glioma": 0.9},
        positive_probability=0.9,
        threshold=0.5,
        certified_sensitivity=0.953,
        ood_score=0.05,
        ood_threshold=0.2,
        slices=slices,
        notes=("this model has a note",),
        synthetic_model=True,
    )


@pytest.fixture
def unlike(judged: Judged) -> Judged:
    """The same series, not assessed: raw scores and no decision."""
    answer = replace(
        judged.answer,
        status="not assessed",
        reason="is unlike the images",
        caution=CAUTION,
        decision=None,
        certified_sensitivity=None,
        ood_score=0.4,
        slices=tuple(replace(one, decision=None, ood_score=0.4) for one in judged.answer.slices),
    )
    return replace(judged, answer=answer)


@pytest.fixture
def undecided(judged: Judged) -> Judged:
    """The same series, not decided: a score, decisions on its slices, and none on the series."""
    answer = replace(
        judged.answer,
        status="not decided",
        reason="no tumour-free series of this kind was in validation (FLAIR, axial, 4 slices)",
        caution=UNDECIDED,
        decision=None,
        certified_sensitivity=None,
        series_rule="highest slice",
    )
    return replace(judged, answer=answer)


@pytest.fixture
def refused(judged: Judged) -> Judged:
    """The same series, refused after its files were found."""
    item = replace(judged.item, slices=(), refusal="is a localizer, not a diagnostic series")
    return replace(judged, item=item, answer=Answer(item.name, "run-1", "refused", item.refusal))


MakeMr = Callable[..., Dataset]


@pytest.fixture(scope="session")
def make_mr() -> MakeMr:
    """Makes an uncompressed MR image of a head from stored values [rows, columns] or [rows, columns, 3]."""
    return _mr


@pytest.fixture(scope="session")
def make_csa() -> Callable[..., bytes]:
    """Writes a CSA header of the first or second version with the given elements."""
    return _csa


@pytest.fixture(scope="session")
def to_bytes() -> Callable[[Dataset], bytes]:
    """A dataset as the bytes of its file."""
    return _to_bytes


def _to_bytes(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _mr(stored: np.ndarray, **tags: Any) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, "1.2.3.4"
    dataset.Modality, dataset.BodyPartExamined, dataset.PatientID = "MR", "HEAD", "4711"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    dataset.SeriesInstanceUID, dataset.InstanceNumber = "1.2.3", 1
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    return dataset


def _csa(elements: Mapping[str, Sequence[str]], version: int = 2) -> bytes:
    def number(value: int) -> bytes:
        return value.to_bytes(4, "little")

    out = (b"SV10\4\3\2\1" if version == 2 else b"") + number(len(elements)) + number(77)
    base = None
    for name, texts in elements.items():
        listed = [*texts, *[""] * (6 - len(texts))]
        base = len(listed) if base is None else base
        out += name.encode().ljust(64, b"\0") + number(len(texts)) + b"FD\0\0" + number(4) + number(len(listed))
        out += number(77)
        for text in listed:
            data = text.encode() + b"\0" if text else b""
            sizes = (0, len(data), 77, len(data)) if version == 2 else (len(data) + base, 0, 77, 0)
            out += b"".join(map(number, sizes)) + data + b"\0" * (-len(data) % 4)
    return out


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose network calls bright slices a tumour; made by hand, in no time. Read it only."""
    from onnx import TensorProto, helper, save

    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, 32, 32])
    out = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])
    nodes = [
        helper.make_node("Flatten", ["images"], ["features"], axis=1),
        helper.make_node("ReduceMean", ["features", "axes"], ["tumour"], keepdims=1),
        helper.make_node("Sub", ["one", "tumour"], ["healthy"]),
        helper.make_node("Concat", ["healthy", "tumour"], ["probabilities"], axis=1),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 1024])
    graph = helper.make_graph(nodes, "bright", [images], [out, features], constants)
    run = tmp_path_factory.mktemp("run")
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), run / "model.onnx")
    record = ModelRecord(
        task="medtl",
        classes=("no_tumour", "tumour"),
        positive=(False, True),
        preprocessing=Preprocessing(32, 1, TASK.default_options),
        threshold=0.5,
        operating_point=None,
        rejection=None,
        aggregation=Aggregation(),
        certified_sensitivity=None,
        certified_error=None,
        ood={"threshold": 2.0, "rate": 0.01, "units": 1},
        temperature=1.0,
        backbone={},
        domains=(),
        acquisition={},
        synthetic=True,
        data_hash="",
        weights_hash="",
        negative_series={
            "properties": ["contrast", "plane"],
            "name": "tumour-free",
            "judged": [
                {
                    "kind": {"contrast": "T1 with contrast agent", "plane": "axial"},
                    "series": 9,
                    "remainders": 0,
                    "lengths": [3, 8],
                }
            ],
        },
        copy_rule=CopyRule(mirrored=True, altered=True),
    )
    write_json(run / "model.json", record.to_json())
    (run / "model.safetensors").touch()
    Seen.none(record.copy_rule).write(run)
    Reference.of(np.ones((1, 1024))).write(run)
    finish(run, "medtl")
    return run
