from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from shared import VectorTask
from shared.data.copies import CopySearch, copy_rule_of
from shared.data.descriptors import describe
from shared.errors import ConfigError, DataError, UnknownNameError
from shared.models.backbones.build import build_backbone
from shared.samples import Meanings, Sample
from shared.task import Preprocessing


def load(task: VectorTask, source: Path, **more: Meanings) -> tuple[Sample, ...]:
    return task.load(source, options=task.default_options, **more).samples


def test_arrays_become_samples_with_groups_domains_and_splits(tmp_path: Path) -> None:
    X = np.arange(12, dtype=np.float64).reshape(4, 3)  # noqa: N806
    facts = {"y": [0.0, 1.0, 1.0, 0.0], "groups": ["a", "a", "b", "b"], "domains": ["m", "m", "n", "n"]}
    np.savez(tmp_path / "data.npz", X=X, splits=["train", "train", "", "test"], **facts)
    task = VectorTask("rows", width=3, labels={"0": "no", "1": "yes"})
    dataset = task.load(tmp_path / "data.npz", options=task.default_options)
    assert dataset.classes == ("no", "yes")
    assert [sample.label for sample in dataset.samples] == ["no", "yes", "yes", "no"]
    assert [sample.split for sample in dataset.samples] == ["train", "train", None, "test"]
    assert [sample.domain for sample in dataset.samples] == ["m", "m", "n", "n"]
    groups = [sample.group for sample in dataset.samples]
    assert groups[0] == groups[1]
    assert groups[1] != groups[2]
    np.testing.assert_array_equal(task.read(dataset.samples[2]), X[2:3])


def test_files_of_a_folder_are_domains_and_their_endings_splits(tmp_path: Path) -> None:
    for name, text in (("books_train", "1 1:2 3:1\n-1 2:1\n"), ("books_test", "1 1:1\n"), ("dvd", "-1 3:4\n")):
        (tmp_path / f"{name}.svmlight").write_text(text)
    task = VectorTask("reviews", width=4, labels={"-1": "bad", "1": "good"})
    found = {(sample.domain, sample.split, sample.label) for sample in load(task, tmp_path)}
    assert found == {
        ("books", "train", "good"),
        ("books", "train", "bad"),
        ("books", "test", "good"),
        ("dvd", None, "bad"),
    }
    (row,) = (task.read(sample) for sample in load(task, tmp_path) if sample.domain == "dvd")
    np.testing.assert_array_equal(row, [[0, 0, 4, 0]])
    kept = load(task, tmp_path, meanings=Meanings({"bad": "leave_out"}))
    assert {sample.label for sample in kept} == {"good"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("zero.svmlight", "1 0:1 2:1\n", "index 0, and indices begin at 1; give the task zero_based=True"),
        ("wide.svmlight", "1 9:1\n", "index 9; the task has 3 values"),
        ("damaged.svmlight", "1 a:b\n", "no LIBSVM text"),
        ("damaged.npz", "PK", "no .npz of plain arrays"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    task = VectorTask("rows", width=3)
    with pytest.raises(DataError, match=message) as caught:
        load(task, tmp_path / name)
    assert "\n" not in str(caught.value)
    (item,) = task.read_inputs([tmp_path / name])
    assert item.refusal is not None


@pytest.mark.parametrize("harm", ["checksum", "shape", "bare array"])
def test_an_archive_that_numpy_cannot_read_is_refused_in_one_line(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, X=np.zeros((100, 3)), y=np.zeros(100))
    data = bytearray(path.read_bytes())
    if harm == "checksum":
        data[400] ^= 255
    elif harm == "shape":
        with zipfile.ZipFile(path, "w") as archive:
            head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000), }\n"
            archive.writestr("X.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
        data = bytearray(path.read_bytes())
    else:
        with path.open("wb") as stream:
            np.save(stream, np.zeros((100, 3)))
        data = bytearray(path.read_bytes())
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"is no \.npz of plain arrays"):
        load(VectorTask("rows", width=3), path)


def test_a_value_that_is_not_finite_is_refused_in_training_and_in_prediction(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=np.array([[0, 1, 2], [0, np.nan, 1e300]]), y=np.zeros(2))
    task = VectorTask("rows", width=3)
    sound, faulty = load(task, tmp_path / "data.npz")
    assert task.read(sound).shape == (1, 3)
    with pytest.raises(DataError, match=r"no finite number, in .*data\.npz#1"):
        task.read(faulty)
    _, item = task.read_inputs([tmp_path / "data.npz"])
    with pytest.raises(DataError, match="no finite number"):
        task.preprocess(item.slices[0], Preprocessing(2, 1, task.default_options))


def test_arrays_of_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=np.zeros((1, 3)), y=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"no \.npz of plain arrays"):
        load(VectorTask("rows", width=3), tmp_path / "data.npz")


def test_a_vector_lies_in_a_square_by_rows() -> None:
    task = VectorTask("counts", width=5, transform="log1p")
    assert task.side == 3
    square = task.preprocess(np.arange(5, dtype=np.float32)[None], Preprocessing(3, 1, task.default_options))
    np.testing.assert_allclose(square.ravel(), [*np.log1p(np.arange(5)), 0, 0, 0, 0], rtol=1e-6)
    with pytest.raises(ConfigError, match=r"backbone.size is 224; vectors of 5 values take backbone.size=3"):
        task.preprocess(np.zeros((1, 5), dtype=np.float32), Preprocessing(224, 1, task.default_options))
    with pytest.raises(DataError, match=r"shape \(1, 4\); allowed is \(1, 5\)"):
        task.preprocess(np.zeros((1, 4), dtype=np.float32), Preprocessing(3, 1, task.default_options))


def test_only_equal_vectors_are_copies() -> None:
    """One large value would make all vectors alike as pictures."""
    rows = np.random.default_rng(0).random((300, 1, 13), dtype=np.float32)
    rows[:, 0, 12] = 1000.0
    rows[7] = rows[200]
    rule = copy_rule_of(VectorTask("wine", width=13))
    pairs = list(CopySearch(np.stack([describe(row, rule) for row in rows]), rule).near_pairs())
    assert [(pair.i, pair.j) for pair in pairs] == [(7, 200)]


def test_a_perceptron_is_found_by_its_widths() -> None:
    import torch

    backbone = build_backbone("mlp/standardised/7x4", layers=None, seed=0, input_size=3)
    assert list(backbone.stages) == ["standardised", "hidden1", "hidden2"]
    backbone.train()
    assert backbone(torch.rand(6, 1, 3, 3))["hidden2"].shape == (6, 4)
    assert not torch.equal(backbone.stages["standardised"][1].running_mean, torch.zeros(9))
    with pytest.raises(UnknownNameError, match="as in mlp/100"):
        build_backbone("mlp/big", layers=None, seed=0)
