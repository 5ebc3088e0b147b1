"""From a configuration to a run folder, on the characters of conftest."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file

from handwriting.task import TASK
from shared.config.read import load_config
from shared.data.audit import AuditResult, Pair
from shared.data.copies import copy_rule_of
from shared.errors import ConfigError, DataError, LeakError, MedtlError, RunError, UsageError, WeightsError
from shared.evaluation.cases import UsageContext
from shared.evaluation.decision.selective import choose_rejection
from shared.io.atomic import read_json
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.restore import load_trained
from shared.pipeline.fit import Fitted, fit
from shared.pipeline.preflight import preflight
from shared.pipeline.train import end_experiment, run
from shared.prediction.external import assess_data
from shared.runs.folder import check_finished, is_finished, is_whole, locked
from shared.runs.seen import Seen

Words = tuple[str, ...]
Draw = Callable[..., Path]
FILES = {
    "config.yaml",
    "paths.json",
    "environment.json",
    "metrics.jsonl",
    "predictions.csv",
    "model.safetensors",
    "model.onnx",
    "model.json",
    "report.html",
    "training_digests.txt",
    "seen_images.npy",
    "features.npz",
    "report.json",
    "model_card.md",
    "done",
}
KEPT = "no labelled image beside the test was kept from the model that answers"
HEAD_ALONE = (
    "strategy={name: finetune, augmentation: none, batch_norm: freeze_stats, phases: [{epochs: 1, train: none}]}"
)


def _run(root: Path, words: Words, *more: str, out: Path | None = None) -> Path:
    return run(TASK, load_config(None, [*words, *more]), root=root, out=out)


def _weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def _break_off(folder: Path, words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the run folder of a training that was stopped after its last step."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shared.pipeline.train.finish_run", stop)
        with pytest.raises(KeyboardInterrupt):
            _run(folder.parent, words, out=folder)
    assert (folder / "checkpoint.pt").is_file()


def _table(run: Path) -> list[dict[str, str]]:
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _fixed_split(draw: Draw, root: Path) -> Path:
    """Train and Test as the data has them; two test images are copies of training images."""
    draw(root / "Train", each=12, seed=1)
    draw(root / "Test", each=5, seed=2)
    for index in range(2):
        shutil.copy(root / "Train" / "digit_0" / f"{index:03d}.png", root / "Test" / "digit_0" / f"{index:03d}.png")
    return root


def test_a_finished_run_holds_all_its_files_and_no_temporary_ones(tiny_run: Path) -> None:
    assert {path.name for path in tiny_run.iterdir()} - {".lock", "tensorboard"} == FILES


def test_the_run_has_learned_and_its_files_agree(tiny_run: Path) -> None:
    report, record = read_json(tiny_run / "report.json"), read_json(tiny_run / "model.json")
    rows = _table(tiny_run)
    history = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    test = [row for row in rows if row["split"] == "test"]
    assert report["test"]["accuracy"]["value"] > 0.7
    assert report["test"]["n"] == len(test)
    assert {row["split"] for row in rows} == {"validation", "test"}
    hits = np.mean([row["label"] == row["predicted"] for row in test])
    assert report["test"]["accuracy"]["value"] == pytest.approx(hits)
    for row in rows:
        assert sum(float(row[name]) for name in record["classes"]) == pytest.approx(1, abs=1e-5)
    assert [row["epoch"] for row in history] == list(range(1, 9))
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_the_run_folder_holds_no_path_of_its_samples(tiny_run: Path, characters: Path) -> None:
    assert (tiny_run / "paths.json").stat().st_mode & 0o777 == 0o600  # which alone holds data.source as it was typed
    for name in FILES - {"paths.json"}:
        content = (tiny_run / name).read_bytes()
        assert str(characters).encode() not in content, name
        assert b".png" not in content, name


@pytest.mark.usefixtures("quick_ending")
def test_the_seed_alone_decides_the_weights(tmp_path: Path, tiny_words: Words) -> None:
    words = (*tiny_words, "strategy.phases=[{epochs: 2, train: all}]", "strategy.augmentation=usual")
    first, again = _run(tmp_path / "a", words), _run(tmp_path / "b", words)
    assert _weights(first) == _weights(again)
    assert (first / "metrics.jsonl").read_text() == (again / "metrics.jsonl").read_text()
    assert first.name == again.name
    other = _run(tmp_path / "a", words, "seed=1")
    assert other != first
    assert _weights(other) != _weights(first)


@pytest.mark.usefixtures("quick_ending")
def test_weights_with_folded_batch_norm_keep_its_statistics(tmp_path: Path, tiny_words: Words) -> None:
    # statistics of mean 0 and variance 1, as of a network in which BatchNorm was folded
    torch.save(build_backbone("convnet_small", layers=None, seed=0).stages.state_dict(), tmp_path / "folded.pth")
    words = (*tiny_words, "strategy.phases=[{epochs: 1, train: all}]", f"backbone.weights={tmp_path / 'folded.pth'}")
    found = load_file(_run(tmp_path, words) / "model.safetensors")
    variances = [value for name, value in found.items() if name.endswith("running_var")]
    assert variances
    assert all(bool((value == 1).all()) for value in variances)


@pytest.mark.usefixtures("quick_ending")
def test_the_split_does_not_depend_on_the_salt_of_the_user(
    tmp_path: Path, tiny_words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for salt in ("first-salt-of-sixteen", "other-salt-of-sixteen"):
        monkeypatch.setenv("MEDTL_SALT", salt)
        runs.append(_run(tmp_path / salt, tiny_words, HEAD_ALONE))
    assert runs[0].name == runs[1].name
    assert _weights(runs[0]) == _weights(runs[1])


def test_a_finished_run_is_not_trained_again(
    tiny_run: Path, tiny_words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.strategies.finetune.train", lambda *_, **__: pytest.fail("trained again"))
    before = {path.name: path.stat().st_mtime_ns for path in tiny_run.iterdir()}
    assert _run(tiny_run.parent, tiny_words) == tiny_run
    assert _run(tmp_path, tiny_words, out=tiny_run) == tiny_run
    assert {path.name: path.stat().st_mtime_ns for path in tiny_run.iterdir()} == before


@pytest.mark.usefixtures("quick_ending")
def test_a_run_of_numbers_is_made_whole_without_another_training(
    tiny_run: Path, tiny_words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = list[Fitted]()

    def watched(*given: Any, **more: Any) -> Fitted:
        trained.append(fit(*given, **more))
        return trained[-1]

    with monkeypatch.context() as watching:
        watching.setattr("shared.pipeline.train.fit", watched)
        ended = end_experiment(preflight(TASK, load_config(None, tiny_words)), root=tmp_path, whole=False)
    assert all(weight.is_meta for weight in trained[0].job.network.parameters())  # which take no memory
    names = {path.name for path in ended.folder.iterdir()}
    assert FILES - names == {"model.onnx", "report.html", "model_card.md"}
    files = ("model.safetensors", "metrics.jsonl", "predictions.csv", "features.npz", "report.json")
    before = [(ended.folder / name).read_bytes() for name in files]
    monkeypatch.setattr("shared.strategies.finetune.train", lambda *_, **__: pytest.fail("trained again"))
    ended.make_whole()
    check_finished(ended.folder)
    assert is_whole(ended.folder)
    assert [(ended.folder / name).read_bytes() for name in files] == before
    assert _weights(ended.folder) == _weights(tiny_run)


def test_a_finished_run_of_another_configuration_is_not_overwritten(
    tiny_run: Path, tiny_words: Words, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="run of another configuration"):
        _run(tmp_path, tiny_words, "seed=1", out=tiny_run)


@pytest.mark.usefixtures("quick_ending")
def test_a_finished_run_on_other_data_is_not_passed_off_as_this_one(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw
) -> None:
    words = (*tiny_words, HEAD_ALONE, f"data.source={draw_characters(tmp_path / 'data', each=12)}")
    _run(tmp_path, words, out=tmp_path / "run")
    shutil.rmtree(tmp_path / "data")
    draw_characters(tmp_path / "data", each=12, seed=1)
    with pytest.raises(MedtlError, match="data"):
        _run(tmp_path, words, out=tmp_path / "run")


def test_a_checkpoint_of_another_configuration_is_not_taken_up(
    tmp_path: Path, tiny_words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)
    _break_off(tmp_path / "run", tiny_words, monkeypatch)
    with pytest.raises(ConfigError, match="run of another configuration"):
        _run(tmp_path, tiny_words, "seed=1", out=tmp_path / "run")


def test_a_checkpoint_on_other_data_is_not_taken_up(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)
    words = (*tiny_words, f"data.source={draw_characters(tmp_path / 'data', each=12)}")
    _break_off(tmp_path / "run", words, monkeypatch)
    shutil.rmtree(tmp_path / "data")
    draw_characters(tmp_path / "data", each=12, seed=1)
    with pytest.raises(RunError, match="belongs to other data"):
        _run(tmp_path, words, out=tmp_path / "run")


def test_images_in_training_and_test_are_refused(tmp_path: Path, tiny_words: Words, draw_characters: Draw) -> None:
    data = _fixed_split(draw_characters, tmp_path / "data")
    with pytest.raises(LeakError, match=r"2 of 15 test images are duplicates.*data\.leaks=drop to leave"):
        _run(tmp_path, tiny_words, f"data.source={data}", out=tmp_path / "run")
    assert not is_finished(tmp_path / "run")


def test_copies_of_another_dataset_are_left_out_so_that_the_run_can_be_its_source(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw
) -> None:
    data = draw_characters(tmp_path / "data", each=15, seed=1)
    other = draw_characters(tmp_path / "other", each=2, seed=2)
    for index in range(3):
        shutil.copy(data / "digit_0" / f"{index:03d}.png", other / "digit_1" / f"1{index:02d}.png")
    folder = _run(tmp_path, tiny_words, f"data.source={data}", f"data.exclude_copies_of={other}", HEAD_ALONE)
    notes = read_json(folder / "report.json")["notes"]
    left_out = "3 images are copies of some in data.exclude_copies_of, 0 are of groups there"
    assert any(note.startswith(left_out) for note in notes)
    tree = assess_data(TASK, folder, other, usage=UsageContext(), progress=lambda *_: None)
    assert tree["coverage"]["seen_in_training"] == 0


def test_a_test_of_copies_alone_is_not_replaced_in_silence(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw
) -> None:
    data = draw_characters(tmp_path / "data" / "Train", each=12, seed=1).parent
    shutil.copytree(data / "Train" / "digit_0", data / "Test" / "digit_0")
    with pytest.raises(DataError, match="nothing is left of the 12 test images"):
        _run(tmp_path, tiny_words, f"data.source={data}", "data.leaks=drop", HEAD_ALONE)


def test_one_class_alone_is_nothing_to_learn(tmp_path: Path, tiny_words: Words, draw_characters: Draw) -> None:
    data = draw_characters(tmp_path / "data", each=12, seed=1)
    for name in ("digit_1", "digit_2"):
        shutil.rmtree(data / name, ignore_errors=True)
    for extra in [path for path in data.iterdir() if path.name != "digit_0"]:
        shutil.rmtree(extra)
    with pytest.raises(DataError, match="all 12 samples to learn from are of class digit_0"):
        _run(tmp_path, tiny_words, f"data.source={data}", HEAD_ALONE)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path, tiny_words: Words) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="holds files and no run"):
        _run(tmp_path, tiny_words, out=tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.usefixtures("quick_ending")
@pytest.mark.parametrize(
    ("leaks", "tested", "note"),
    [
        (
            "drop",
            13,
            "2 of 15 test images are duplicates of training or validation images: these 2 were left out of test",
        ),
        ("keep_test", 15, "the 2 that they belong with were left out, test is whole"),
        ("allow", 15, "LEAK"),
    ],
)
def test_a_leak_that_was_allowed_is_noted_in_every_report(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw, leaks: str, tested: int, note: str
) -> None:
    data = _fixed_split(draw_characters, tmp_path / "data")
    folder = _run(tmp_path, tiny_words, f"data.source={data}", f"data.leaks={leaks}", HEAD_ALONE)
    report = read_json(folder / "report.json")
    assert report["test"]["n"] == tested
    assert any(note in line for line in report["notes"])
    assert note in (folder / "report.html").read_text(encoding="utf-8")
    assert note in (folder / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("quick_ending")
def test_copies_of_copies_are_dropped_with_the_leak(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test image that resembles a leaked one, but not the training image itself, belongs to the same picture."""
    draw_characters(tmp_path / "Train", each=12, seed=1)
    draw_characters(tmp_path / "Test", each=5, seed=2)

    def found(samples: list, *_: object, **__: object) -> AuditResult:
        learning = next(i for i, sample in enumerate(samples) if sample.split == "train")
        first, second = [i for i, sample in enumerate(samples) if sample.split == "test"][:2]
        clusters = np.arange(len(samples))
        clusters[[first, second]] = learning
        pairs = [Pair(*sorted(pair), "near", 0.995) for pair in ((learning, first), (first, second))]
        descriptors = np.arange(len(samples) * 1024).reshape(len(samples), 1024).astype(np.uint8)
        return AuditResult(tuple(pairs), clusters, (), (), descriptors=descriptors)

    monkeypatch.setattr("shared.data.partition.audit", found)
    folder = _run(tmp_path, tiny_words, f"data.source={tmp_path}", "data.leaks=drop", HEAD_ALONE, out=tmp_path / "run")
    assert read_json(folder / "report.json")["test"]["n"] == 13


@pytest.mark.usefixtures("quick_ending")
def test_a_mirrored_character_is_no_copy(tmp_path: Path, tiny_words: Words, draw_characters: Draw) -> None:
    data = _fixed_split(draw_characters, tmp_path / "data")
    for index in range(2, 5):
        with Image.open(data / "Train" / "digit_0" / f"{index:03d}.png") as picture:
            ImageOps.mirror(picture).save(data / "Test" / "digit_0" / f"{index:03d}.png")
    folder = _run(tmp_path, tiny_words, f"data.source={data}", "data.leaks=drop", HEAD_ALONE)
    assert read_json(folder / "report.json")["test"]["n"] == 13


@pytest.mark.usefixtures("quick_ending")
def test_the_folds_test_each_image_once_and_copies_together(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw
) -> None:
    data = draw_characters(tmp_path / "data", each=9)
    shutil.copy(data / "digit_0" / "000.png", data / "digit_0" / "100.png")
    tested: list[set[str]] = []
    for fold in range(3):
        chosen = (f"data.source={data}", "data.split.folds=3", f"data.split.fold={fold}", HEAD_ALONE)
        folder = _run(tmp_path, tiny_words, *chosen, out=tmp_path / str(fold))
        tested.append({row["sample"] for row in _table(folder) if row["split"] == "test"})
    assert sum(map(len, tested)) == len(set.union(*tested)) == 28
    with pytest.raises(ConfigError, match="with 3 folds it must be 0 to 2"):
        _run(tmp_path, tiny_words, *chosen, "data.split.fold=3", out=tmp_path / "none")


@pytest.mark.usefixtures("quick_ending")
def test_a_domain_that_is_left_out_is_the_test_and_its_copies_do_not_teach(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw
) -> None:
    data = draw_characters(tmp_path / "data", each=12)
    shutil.copy(data / "digit_0" / "000.png", data / "digit_0" / "100.png")
    rows = ["path,label,domain"]
    for path in sorted(data.glob("*/*.png")):
        there = path.stem in ("000", "001", "002")
        rows.append(f"{path.relative_to(data)},{path.parent.name},{'there' if there else 'here'}")
    (data / "labels.csv").write_text("\n".join(rows) + "\n")
    words = (f"data.source={data / 'labels.csv'}", HEAD_ALONE)
    folder = _run(tmp_path, tiny_words, *words, "data.split.held_out_domain=there", out=tmp_path / "run")
    assert {row["domain"] for row in _table(folder) if row["split"] == "test"} == {"there"}
    assert read_json(folder / "model.json")["domains"] == ["here"]
    assert len(np.load(folder / "seen_images.npy")) == 27
    with pytest.raises(ConfigError, match="one of several domains; there are here, there"):
        _run(tmp_path, tiny_words, *words, "data.split.held_out_domain=mars", out=tmp_path / "none")


def test_a_corrected_label_makes_it_another_dataset(characters: Path, tmp_path: Path) -> None:
    rows = [f"{path.relative_to(characters)},{path.parent.name}" for path in sorted(characters.glob("*/*.png"))]
    prints = []
    for number, table in enumerate((rows, [*rows[:-1], rows[-1].replace(",digit_1", ",digit_0")])):
        data = tmp_path / str(number)
        shutil.copytree(characters, data)
        (data / "labels.csv").write_text("\n".join(["path,label", *table]) + "\n")
        dataset = TASK.load(data / "labels.csv", options=TASK.default_options)
        prints.append((dataset.content_hash, dataset.fingerprint))
    assert prints[0][0] == prints[1][0]
    assert prints[0][1] != prints[1][1]


@pytest.mark.usefixtures("quick_ending")
def test_what_the_source_run_saw_is_not_new_to_the_transferred_one(
    tmp_path: Path, tiny_words: Words, tiny_run: Path
) -> None:
    folder = _run(tmp_path, tiny_words, f"backbone.weights={tiny_run}", "seed=5", HEAD_ALONE)
    rule = copy_rule_of(TASK)
    before, after = (set(map(bytes, Seen.read(run, rule).images)) for run in (tiny_run, folder))
    assert before < after
    notes = read_json(folder / "report.json")["notes"]
    assert any("test images or groups were seen by the run that the weights come from" in note for note in notes)


def test_a_run_folder_in_use_is_refused(tmp_path: Path, tiny_words: Words) -> None:
    with locked(tmp_path / "run"), pytest.raises(RunError, match="trained by another process"):
        _run(tmp_path, tiny_words, out=tmp_path / "run")


@pytest.mark.parametrize(
    ("word", "fault", "message"),
    [
        (
            "data.options={margin_px: 3}",
            ConfigError,
            "data.options: unknown margin_px; allowed in handwriting: blocks, margin",
        ),
        ("data.options={margin: 7}", ConfigError, "margin is 7"),
        ("data.domains=[mars]", ConfigError, "data.domains: no mars in the data; it has dhcd"),
        ("strategy.epochs=3", ConfigError, "epochs: unknown key"),
        ("strategy.name=finetuna", ConfigError, "did you mean finetune"),
        pytest.param("strategy.selection=oracle", ConfigError, "selection rule"),
        pytest.param("strategy.phases=[{epochs: 1, train: [block7]}]", ConfigError, "no stage block7"),
        ("backbone.name=convnet_smal", ConfigError, "did you mean convnet_small"),
        ("backbone.layers=[block7]", ConfigError, "no layer 'block7'; convnet_small has block1"),
        ("backbone.transfer_stages=[block7]", ConfigError, "no stage 'block7'"),
        ("backbone.pooling=avg7", ConfigError, "backbone.pooling: got 'avg7'; allowed: avg_1x1"),
        ("backbone.pooling=cls", ConfigError, "cls takes the class token of a vision transformer, and convnet_small"),
        ("strategy.augmentation=physics", ConfigError, "unknown augmentation 'physics'; known: none, usual"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_before_anything_is_written(
    tmp_path: Path, tiny_words: Words, word: str, fault: type[Exception], message: str
) -> None:
    with pytest.raises(fault, match=message.replace("[", r"\[")):
        _run(tmp_path, tiny_words, word, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_weights_that_do_not_fit_are_told_before_an_image_is_read(
    tmp_path: Path, tiny_words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"stem.weight": torch.zeros(1)}, tmp_path / "other.pth")
    monkeypatch.setattr("shared.pipeline.train.load_dataset", lambda *_: pytest.fail("data were read"))
    with pytest.raises(WeightsError, match=r"other\.pth (does not fit|is not of) convnet_small"):
        _run(tmp_path, tiny_words, f"backbone.weights={tmp_path}/other.pth", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["backbone.pooling=avg_evidence", "backbone.layers=auto"], "auto searches frozen features"),
        (["backbone.pooling=avg_evidence", "strategy={name: linear_probe}"], "linear_probe keeps that frozen"),
        (["backbone.pooling=avg_evidence", "strategy.head=probe"], "no linear probe can begin with it"),
        (["strategy={name: multitask, tasks: [mask]}"], "set backbone.pooling=avg_evidence"),
    ],
)
def test_evidence_that_cannot_be_learnt_is_refused(
    tmp_path: Path, tiny_words: Words, words: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        _run(tmp_path, tiny_words, *words, out=tmp_path / "run")


def test_too_small_an_input_is_refused(tmp_path: Path, tiny_words: Words) -> None:
    with pytest.raises(ConfigError, match=r"backbone.size: got 32; alexnet needs at least 63"):
        _run(tmp_path, tiny_words, "backbone={name: alexnet, weights: random, size: 32}")


def test_an_input_that_patches_do_not_divide_is_refused(tmp_path: Path, tiny_words: Words) -> None:
    message = "got 100; dinov2_small cuts images into patches of 14 pixels, and takes multiples of 14, as 98 or 112"
    pytest.importorskip("timm")
    with pytest.raises(ConfigError, match=message):
        _run(tmp_path, tiny_words, "backbone={name: dinov2_small, weights: random, size: 100, layers: [block2]}")


@pytest.mark.usefixtures("quick_ending")
def test_a_vision_transformer_is_trained_and_hands_its_weights_to_one_of_another_size(
    tmp_path: Path, tiny_words: Words
) -> None:
    timm_layers = pytest.importorskip("timm.layers")
    torch.manual_seed(0)
    given = find_backbone("timm/test_vit").build_at(64).state_dict()
    save_file({f"module.{name}": tensor for name, tensor in given.items()}, tmp_path / "mine.safetensors")
    trunk = "name: timm/test_vit, store_size: 32, pooling: cls_avg"
    first = _run(
        tmp_path,
        tiny_words,
        f"backbone={{{trunk}, size: 64, weights: {tmp_path / 'mine.safetensors'}, pretrained_on: nothing at all}}",
        "strategy.phases=[{epochs: 1, train: 'last:2', lr_head: 0.01, lr_backbone: 0.003, lr_decay: 0.5}]",
        out=tmp_path / "first",
    )
    trained = load_file(first / "model.safetensors")
    prefix = "backbone.stages"
    assert torch.equal(trained[f"{prefix}.embedding.model.pos_embed"], given["pos_embed"])
    assert torch.equal(trained[f"{prefix}.block4.mlp.fc1.weight"], given["blocks.3.mlp.fc1.weight"])
    assert not torch.equal(trained[f"{prefix}.block5.mlp.fc1.weight"], given["blocks.4.mlp.fc1.weight"])
    assert not torch.equal(trained[f"{prefix}.block6.1.weight"], given["norm.weight"])
    assert trained["head.weight"].shape[1] == 2 * 64
    assert read_json(first / "model.json")["backbone"]["weights"]["pretrained_on"] == "nothing at all"
    restored, _ = load_trained(first)
    assert restored.backbone.input_size == 64
    second = _run(
        tmp_path,
        tiny_words,
        f"backbone={{{trunk}, size: 32, weights: {first}}}",
        "strategy={name: linear_probe, head: softmax}",
        out=tmp_path / "second",
    )
    positions = load_file(second / "model.safetensors")[f"{prefix}.embedding.model.pos_embed"]
    torch.testing.assert_close(
        positions, timm_layers.resample_abs_pos_embed(given["pos_embed"], [2, 2], num_prefix_tokens=1)
    )


@pytest.mark.usefixtures("quick_ending")
def test_transfer_copies_the_backbone_of_a_run_and_not_its_head(
    tmp_path: Path, tiny_words: Words, tiny_run: Path
) -> None:
    target = _run(tmp_path, tiny_words, "seed=5", HEAD_ALONE, f"backbone.weights={tiny_run}")
    before, after = load_file(tiny_run / "model.safetensors"), load_file(target / "model.safetensors")
    assert before.keys() == after.keys()
    backbone = [name for name in before if name.startswith("backbone.stages.")]
    assert all(torch.equal(before[name], after[name]) for name in backbone)
    assert not torch.equal(before["head.weight"], after["head.weight"])
    weights = read_json(target / "model.json")["backbone"]["weights"]
    assert weights["loaded"] == len(backbone)
    assert weights["sha256"] == read_json(tiny_run / "model.json")["weights_hash"]
    assert weights["reinitialised"] == []
    assert str(tiny_run.parent) not in (target / "model.json").read_text()


@pytest.mark.usefixtures("quick_ending")
def test_transfer_copies_only_the_stages_that_are_named(tmp_path: Path, tiny_words: Words, tiny_run: Path) -> None:
    words = ("seed=5", HEAD_ALONE, f"backbone.weights={tiny_run}", "backbone.transfer_stages=[block1]")
    target = _run(tmp_path, tiny_words, *words)
    before, after = load_file(tiny_run / "model.safetensors"), load_file(target / "model.safetensors")
    assert torch.equal(before["backbone.stages.block1.0.weight"], after["backbone.stages.block1.0.weight"])
    assert not torch.equal(before["backbone.stages.block2.0.weight"], after["backbone.stages.block2.0.weight"])
    assert read_json(target / "model.json")["backbone"]["weights"]["reinitialised"] == ["block2"]


def test_half_a_run_gives_no_weights(tmp_path: Path, tiny_words: Words, tiny_run: Path) -> None:
    half = shutil.copytree(tiny_run, tmp_path / "half")
    (half / "done").unlink()
    with pytest.raises(UsageError, match="not finished"):
        _run(tmp_path, tiny_words, f"backbone.weights={half}")


@pytest.mark.usefixtures("quick_ending")
@pytest.mark.parametrize("head", ["softmax", "svm"])
def test_the_fixed_extractor_makes_a_run_too(tmp_path: Path, tiny_words: Words, tiny_run: Path, head: str) -> None:
    words = (f"backbone.weights={tiny_run}", f"strategy={{name: linear_probe, head: {head}}}")
    folder = _run(tmp_path, tiny_words, *words)
    assert is_finished(folder)
    assert read_json(folder / "report.json")["validation"]["accuracy"]["value"] > 0.7


@pytest.mark.usefixtures("quick_ending")
@pytest.mark.parametrize(
    ("budget", "said", "validation", "why_uncertified"),
    [
        ("{labels_per_class: 3}", "folds of the labelled training images chose", 9, KEPT),
        ("{labels_per_class: 3, validation: labelled}", "validation, which chose layers,", 9, "(writers unknown)"),
        ("{train_groups: 8}", "folds of the labelled training images chose", 8, KEPT),
        ("{labels_per_class: 1}", "nothing was chosen: default layers and L2 strength, the last epoch", 0, KEPT),
    ],
    ids=["folds", "labelled", "groups", "one a class"],
)
def test_a_run_on_few_labels_says_what_chose(
    tmp_path: Path, tiny_words: Words, tiny_run: Path, budget: str, said: str, validation: int, why_uncertified: str
) -> None:
    folder = _run(tmp_path, tiny_words, f"data.budget={budget}", HEAD_ALONE)
    report, record = read_json(folder / "report.json"), read_json(folder / "model.json")
    assert report["test"]["n"] == read_json(tiny_run / "report.json")["test"]["n"]
    assert any(line.startswith("Few labels") and said in line for line in report["summary"])
    assert any(line.startswith("Few labels: training kept") for line in report["notes"])
    for name in ("report.html", "model_card.md"):
        assert said in " ".join(unescape((folder / name).read_text(encoding="utf-8")).split())
    assert ("chosen on validation for" in (folder / "report.html").read_text(encoding="utf-8")) == (validation > 0)
    rows = _table(folder)
    assert sum(row["split"] == "validation" for row in rows) == validation
    assert report.get("validation", {"n": 0})["n"] == validation
    assert why_uncertified in record["rejection"]["statement"]
    assert (record["certified_error"], record["rejection"]["certified"]) == (None, None)
    assert not (folder / "folds").exists()


@pytest.mark.usefixtures("quick_ending")
def test_a_cross_fitted_run_is_judged_by_networks_without_the_part(tmp_path: Path, tiny_words: Words) -> None:
    folder = _run(tmp_path, tiny_words, "data.cross_fitting=groups", "strategy.selection=last", HEAD_ALONE)
    report, record = read_json(folder / "report.json"), read_json(folder / "model.json")
    assert report["validation"]["n"] == sum(row["split"] == "validation" for row in _table(folder)) > 9
    assert any(line.startswith("Cross-fitted: training keeps the images of validation") for line in report["summary"])
    assert KEPT in record["rejection"]["statement"]
    assert record["certified_error"] is None


def test_more_labels_than_there_are_are_refused(tmp_path: Path, tiny_words: Words) -> None:
    with pytest.raises(DataError, match="40 were asked for"):
        _run(tmp_path, tiny_words, "data.budget.labels_per_class=40")


@pytest.mark.usefixtures("quick_ending")
def test_no_label_beside_the_few_changes_anything(
    tmp_path: Path, tiny_words: Words, characters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers, L2 strength, epoch, temperature and thresholds are chosen here, and the others' labels are scrambled."""
    # the first five of eight of each class, whatever the labels of the other three
    monkeypatch.setattr("shared.data.partition.k_shot", lambda train, *_: train[np.arange(24) % 8 < 5])
    names, runs = sorted(folder.name for folder in characters.iterdir()), []
    for turn in (0, 1):
        data = tmp_path / str(turn) / "data"
        shutil.copytree(characters, data)
        lines = ["path,label,split"]
        for number, name in enumerate(names):
            for i, path in enumerate(sorted((data / name).iterdir())):
                split = "train" if i < 8 else "validation" if i < 12 else "test"
                hidden = 5 <= i < 12
                label = names[(number + turn * hidden) % len(names)]
                lines.append(f"{name}/{path.name},{label.rpartition('_1_')[2]},{split}")
        (data / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
        words = (f"data.source={data}", "data.leaks=drop", "data.budget.labels_per_class=5")
        chosen = (
            "backbone.layers=auto",
            "strategy={name: finetune, head: probe, augmentation: none, phases: [{epochs: 2, train: all}]}",
        )
        runs.append(_run(tmp_path / f"runs{turn}", tiny_words, *words, *chosen))
    assert _weights(runs[0]) == _weights(runs[1])
    first, second = (read_json(run / "model.json") for run in runs)
    assert first.pop("data_hash") != second.pop("data_hash")
    assert first == second
    assert len({(run / "predictions.csv").read_bytes() for run in runs}) == 1


@pytest.mark.usefixtures("quick_ending")
def test_predictions_are_a_table_whatever_the_classes_are_called(
    tmp_path: Path, tiny_words: Words, draw_characters: Draw
) -> None:
    names = ("grade 2, low", 'the "other"', "plain")
    data = draw_characters(tmp_path / "data", each=12, names=names)
    folder = _run(tmp_path, tiny_words, f"data.source={data}", HEAD_ALONE)
    rows = _table(folder)
    assert {row["label"] for row in rows} == set(names)
    assert set(names) <= set(rows[0])


def test_the_threshold_of_rejection_is_that_of_validation_alone(tiny_run: Path) -> None:
    rows = [row for row in _table(tiny_run) if row["split"] == "validation"]
    record, tried = read_json(tiny_run / "model.json"), len((tiny_run / "metrics.jsonl").read_text().splitlines())
    confidence = np.array([max(float(row[name]) for name in record["classes"]) for row in rows])
    wrong = np.array([row["label"] != row["predicted"] for row in rows])
    units = [int(row["unit"]) for row in rows]
    expected = choose_rejection(confidence, wrong, units, 0.01, choices=tried, group_name="writer")
    assert record["threshold"] == pytest.approx(expected.threshold, abs=1e-6)
    assert record["certified_error"] is None  # nothing says who wrote the characters
    assert record["rejection"]["statement"] == expected.statement
    assert record["operating_point"] is None


@pytest.mark.usefixtures("quick_ending")
@pytest.mark.parametrize(
    ("positive_name", "chosen", "certified"),
    [("zero", "operating_point", "certified_sensitivity"), (None, "rejection", "certified_error")],
)
def test_what_was_learned_from_validation_certifies_nothing(
    tmp_path: Path,
    tiny_words: Words,
    draw_characters: Draw,
    monkeypatch: pytest.MonkeyPatch,
    positive_name: str | None,
    chosen: str,
    certified: str,
) -> None:
    data = draw_characters(tmp_path / "data" / "Train", each=12, seed=1).parent
    draw_characters(data / "Validation", each=4, seed=2)
    draw_characters(data / "Test", each=4, seed=3)
    shutil.copy(data / "Train" / "digit_0" / "000.png", data / "Validation" / "digit_0" / "000.png")
    monkeypatch.setattr(type(TASK), "positive_name", positive_name)
    monkeypatch.setattr(type(TASK), "is_positive", lambda _, label: label == "digit_0")
    folder = _run(tmp_path, tiny_words, f"data.source={data}", "data.leaks=allow", HEAD_ALONE)
    record = read_json(folder / "model.json")
    assert record[certified] is None
    assert record[chosen]["statement"].startswith("Nothing is certified")
