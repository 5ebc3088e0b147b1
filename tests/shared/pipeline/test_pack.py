"""What a released model holds, what it says, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from handwriting.task import TASK
from shared.api import Application
from shared.errors import DataError, UsageError
from shared.io.atomic import file_hash, read_json, write_json
from shared.models.restore import load_trained
from shared.pipeline import pack as packing
from shared.pipeline.pack import pack
from shared.prediction.predictor import Predictor
from shared.runs.folder import check_finished, finish
from shared.runs.outside_tests import add_outside_test, read_outside_tests
from shared.runs.record import read_model_record
from shared.runs.released import Release, released_bytes
from shared.runs.verdict import read_verdict


def _pack(run: Path, out: Path, images: Path | None, **changes: Any) -> Release:
    words: dict[str, Any] = {"licences": ["all: CC0"], "images": images, "root": out.parent} | changes
    return pack(TASK, run, out, progress=lambda *_: None, **words)


def test_every_file_of_a_released_model_has_its_hash_and_none_shows_images_or_paths(
    released_model: Path, tiny_run: Path, characters: Path
) -> None:
    check_finished(released_model)
    done = read_json(released_model / "done")
    hashes = done["files"] | done["records"]
    assert hashes == {path.name: file_hash(path) for path in released_model.iterdir() if path.name != "done"}
    assert done["finished"] == read_json(tiny_run / "done")["finished"]
    assert {"predictions.csv", "report.html"}.isdisjoint(hashes)
    assert np.load(released_model / "seen_images.npy").shape[0] == 0
    assert (released_model / "training_digests.txt").read_bytes() == b""
    content = b"".join(path.read_bytes() for path in released_model.iterdir())
    assert str(characters.parent).encode() not in content
    assert {oct(path.stat().st_mode & 0o444) for path in released_model.iterdir()} == {"0o444"}
    assert released_bytes(released_model) < 2 * (tiny_run / "model.safetensors").stat().st_size


def test_it_is_the_same_model_in_half_the_room(released_model: Path, tiny_run: Path) -> None:
    release = Release.read(released_model)
    assert release.run == tiny_run.name
    assert (release.precision, release.differences["images"]) == ("float16", 48)
    assert release.differences["probability"] < 0.005
    assert 0 < release.differences["ood_score"] < 0.01
    weights = [(folder / "model.safetensors").stat().st_size for folder in (released_model, tiny_run)]
    assert weights[0] < 0.6 * weights[1]
    assert (released_model / "model.onnx").stat().st_size < 0.5 * (tiny_run / "model.onnx").stat().st_size
    assert read_model_record(released_model) == read_model_record(tiny_run)
    assert read_verdict(released_model) == read_verdict(tiny_run)


def test_torch_and_onnx_runtime_answer_alike_from_the_one_set_of_weights(
    released_model: Path, characters: Path
) -> None:
    import torch

    from shared.models.network import Calibrated

    network, record = load_trained(released_model)
    predictor = Application(TASK).load_run(released_model).predictor
    (item,) = TASK.read_inputs([characters / "digit_0" / "000.png"])
    images = [TASK.preprocess(pixels, record.preprocessing) for pixels in item.slices]
    with torch.inference_mode():
        expected = Calibrated(network)(torch.from_numpy(np.stack(images)))[0].numpy()
    assert np.allclose(predictor.judge(images)[0], expected, atol=1e-5)


def test_the_card_states_licences_origin_and_configuration(released_model: Path, tiny_run: Path) -> None:
    card = (released_model / "model_card.md").read_text()
    assert card.startswith("# devanagari\n")
    for said in (
        "- Drawn characters: CC0",
        f"Made of the run {tiny_run.name}",
        "backbone:",
        "decisions that differ: 0.",
    ):
        assert said in card


def test_weights_that_half_precision_changes_stay_as_they_are(
    tiny_run: Path, tmp_path: Path, characters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "TOLERANCE", 0.0)
    release = _pack(tiny_run, tmp_path / "exact", characters)
    assert (release.precision, release.differences["probability"]) == ("float32", 0.0)
    ours, theirs = (onnx.load(one / "model.onnx").graph for one in (tmp_path / "exact", tiny_run))
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)


def test_the_runs_own_data_are_compared_on_and_its_outside_tests_come_along(tiny_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    add_outside_test(run, "hash", {"data": "other.zip", "test": {"n": 3}})
    assert _pack(run, tmp_path / "model", None).differences["images"] == 48
    assert read_outside_tests(tmp_path / "model") == read_outside_tests(run)
    paths = run / "paths.json"
    paths.write_text(paths.read_text().replace('"source": "/', '"source": "/gone/'))
    with pytest.raises(DataError, match=r"the run.s data are not here: /gone/.*--images DATA"):
        _pack(run, tmp_path / "other", None)
    paths.unlink()  # as in a run that was passed on
    with pytest.raises(DataError, match=r"the run.s data are not here: characters; .*--images DATA"):
        _pack(run, tmp_path / "other", None)


def test_a_mean_of_runs_is_packed_as_one_model_with_the_licences_of_all_backbones(
    ensemble_run: Path, characters: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(ensemble_run, tmp_path / "run"))
    config = (run / "config.yaml").read_text()
    assert config.count("weights: random") == 2
    (run / "config.yaml").write_text(config.replace("weights: random", "weights: /somewhere/start.pth"))
    record = (run / "model.json").read_text()
    (run / "model.json").write_text(record.replace('"spec": "random"', '"spec": "start.pth"'))
    finish(run, "handwriting")
    release = _pack(run, tmp_path / "both", characters)
    assert release.precision == "float16"
    assert release.differences["probability"] < 0.005
    assert read_model_record(tmp_path / "both").is_ensemble
    assert [line.partition(":")[0] for line in release.licences] == [
        "all",
        "convnet_small, with which training began",
    ]
    packed = (tmp_path / "both" / "config.yaml").read_text()
    assert packed.count("weights: start.pth") == 2
    assert str(characters.parent) not in packed


def test_what_cannot_be_packed_is_refused_and_leaves_nothing(
    tiny_run: Path,
    released_model: Path,
    screening_run: Path,
    tmp_path: Path,
    characters: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UsageError, match="'Brain MRI' is no name for a model: allowed are a to z"):
        _pack(tiny_run, tmp_path / "Brain MRI", characters)
    with pytest.raises(UsageError, match="is a run of medtl; `handwriting` cannot pack it"):
        _pack(screening_run, tmp_path / "model", characters)
    with pytest.raises(UsageError, match="comes with the package and is packed already"):
        _pack(released_model, tmp_path / "model", characters)
    monkeypatch.setattr(packing, "MAX_BYTES", 1000)
    with pytest.raises(UsageError, match=r"the model takes 0\.\d MB \(.*\); at most 0 MB are allowed"):
        _pack(tiny_run, tmp_path / "model", characters)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "file").touch()
    with pytest.raises(UsageError, match="exists and is not an empty folder"):
        _pack(tiny_run, tmp_path / "model", characters)


def test_identical_images_are_recognised_and_a_run_that_begins_there_inherits_them(
    released_model: Path, tiny_run: Path, characters: Path
) -> None:
    whole = Predictor(tiny_run, "handwriting", TASK.preprocess).seen
    passed = Predictor(released_model, "handwriting", TASK.preprocess).seen
    assert passed.copies(whole.images[:5]) == ["near"] * 5
    altered = whole.images[:5] ^ 1
    assert passed.copies(altered) == [None] * 5
    assert whole.copies(altered) == ["near"] * 5
    assert passed.joined(passed.none(passed.rule)).copies(whole.images[:1]) == ["near"]


def test_a_changed_file_is_refused_with_the_remedy(released_model: Path, tmp_path: Path) -> None:
    from shared.errors import RunError

    broken = Path(shutil.copytree(released_model, tmp_path / "model"))
    write_json(broken / "report.json", {})
    with pytest.raises(RunError, match=r"report.json is missing or was changed; install the package again"):
        check_finished(broken)
