"""Adaptation from one folder of drawn characters to another, from the command to the model that is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handwriting.task import TASK
from shared.adaptation.choice import Choice
from shared.adaptation.criteria import Run
from shared.adaptation.target import EPOCHS_FOLDER
from shared.api.adapting import between
from shared.config.read import load_config
from shared.config.schema import Config, DataSection, TargetSection
from shared.data.loading import load_dataset
from shared.data.partition import split_data
from shared.errors import ConfigError
from shared.experiments import adaptation
from shared.experiments.adaptation import SELECTED, Plan, Trials, adapt
from shared.experiments.adaptation_report import proxy_a_distance, write_adaptation
from shared.io.atomic import read_json
from shared.pipeline.preflight import faults_of_run
from shared.pipeline.train import run
from shared.runs.certificate import models_among
from shared.runs.folder import check_finished, is_whole
from shared.runs.record import ModelRecord, read_model_record
from shared.task import Preprocessing
from tests.shared.runs.test_certificate import record_of, write_run

Draw = Callable[..., Path]
STRATEGY = (
    "strategy={name: dann, batch_norm: per_domain, augmentation: none, batch_size: 8, phases: [{epochs: 2, train: all, "
    "lr_head: 0.01, lr_backbone: 0.003, shape: annealed}]}"
)
ONE = {"dann": (1.0,)}
BACKBONE = "backbone={name: convnet_small, weights: random, size: 32, layers: [block2], pooling: avg_2x2}"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, draw_characters: Draw) -> Config:
    root = tmp_path_factory.mktemp("collections")
    near, far = (draw_characters(root / name, each=14, seed=seed) for seed, name in enumerate(("near", "far")))
    return between(load_config(None, (STRATEGY, BACKBONE)), str(near), str(far))


@pytest.mark.usefixtures("quick_ending")
def test_it_tries_settings_chooses_one_and_reports_every_column(config: Config, tmp_path: Path) -> None:
    plan = Plan(strategies=("dann", "adabn"), loss_weights={"dann": (0.5,)})
    tree = adapt(TASK, config, plan, tmp_path, root=tmp_path, progress=lambda *_: None)
    lines = write_adaptation(TASK, tree, tmp_path)
    assert [one["name"] for one in tree["settings"]] == ["source only", "dann weight=0.5", "adabn"]
    assert {"source only", "label-free", "oracle", "trained on target labels"} < set(tree["columns"])
    assert all(set(column["domains"]) == {"near", "far"} for column in tree["columns"].values())
    assert tree["kept"] in ("source only", tree["chosen"])
    assert lines[0].startswith("verdict: kept on far: ")
    assert tree["rules"] == ["reverse_validation", "mutual_information"]  # a training takes seconds
    assert lines[2] == tree["statement"]
    html = (tmp_path / "adapt.html").read_text()
    assert "oracle" in html
    assert html.count("data:image/png") == 5
    assert read_json(tmp_path / "adapt.json")["proxy_a_distance"].keys() == {"source only", tree["chosen"]}
    check_finished(tmp_path / SELECTED)
    assert is_whole(tmp_path / SELECTED)
    assert [name for name, run in tree["runs"].items() if is_whole(tmp_path / run)] == [tree["kept"]]
    assert not is_whole(tmp_path / "trained-on-target-labels")
    assert html.count('/report.html"') == 2  # that of the kept run, and of its copy
    assert not (tmp_path / SELECTED / EPOCHS_FOLDER).exists()
    assert set(read_model_record(tmp_path / SELECTED).classes) == {"ka", "digit_0", "digit_1"}


def test_the_kept_copy_allows_for_the_choice_among_all_settings_and_the_source(
    config: Config, tmp_path: Path, model_record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [
        Run(name, write_run(tmp_path / name, record_of(model_record, epochs)), ())
        for name, epochs in (("source", 5), ("dann", 20), ("coral", 20))
    ]
    made = list[str]()
    whole = {run.name: partial(made.append, run.name) for run in runs}
    trials = Trials(runs[0], tuple(runs[1:]), None, None, {}, whole)
    monkeypatch.setattr(adaptation, "train_all", lambda *_, **__: trials)
    monkeypatch.setattr(adaptation, "choose", lambda *_: Choice(runs[1], runs[1], {}, ""))
    monkeypatch.setattr(adaptation, "summarise", lambda *_: {})
    tree = adapt(TASK, config, Plan(), tmp_path, root=tmp_path, progress=lambda *_: None)
    check_finished(tmp_path / SELECTED)
    assert made == ["dann"]
    kept, own = read_model_record(tmp_path / SELECTED), read_model_record(runs[1].path)
    assert (models_among(kept), models_among(own)) == (45, 20)
    assert kept.certified_sensitivity is not None
    assert own.certified_sensitivity is not None
    assert kept.certified_sensitivity < own.certified_sensitivity
    assert "a choice among 45 models" in tree["certificate"]


@pytest.mark.usefixtures("quick_ending")
def test_labels_of_the_target_change_nothing_but_the_oracle(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same images with other labels give the same weights, epochs and criteria, bit by bit."""
    import shared.pipeline.train
    from shared.samples import Dataset

    loaded = shared.pipeline.train.load_dataset

    def relabelled(*given: Any) -> Dataset:
        from dataclasses import replace

        dataset = loaded(*given)
        names = dataset.classes
        samples = tuple(
            replace(one, label=names[(names.index(str(one.label)) + 1) % 3]) if one.domain == "far" else one
            for one in dataset.samples
        )
        return replace(dataset, samples=samples)

    trees = {}
    plan = Plan(loss_weights=ONE, label_shift=True, upper_bound=False)
    for name in ("true", "relabelled"):
        trees[name] = adapt(TASK, config, plan, tmp_path / name, root=tmp_path, progress=lambda *_: None)
        monkeypatch.setattr(shared.pipeline.train, "load_dataset", relabelled)
    for name in ("model.safetensors", "metrics.jsonl"):
        for run_name in ("source-only", "dann-weight-1", SELECTED):
            true_bytes, relabelled_bytes = ((tmp_path / side / run_name / name).read_bytes() for side in trees)
            assert true_bytes == relabelled_bytes
    true, other = (Run.read(side, tmp_path / side / "dann-weight-1") for side in trees)
    assert (true.target.labels != other.target.labels).all()
    assert all((a == b).all() for a, b in zip(true.target.scores, other.target.scores, strict=True))
    assert trees["true"]["columns"]["oracle"] != trees["relabelled"]["columns"]["oracle"]
    without = [_without_oracle(tree) for tree in trees.values()]
    assert without[0] == without[1]


@pytest.mark.usefixtures("quick_ending")
def test_a_target_without_labels_is_adapted_to_and_nothing_is_measured_on_it(
    config: Config, tmp_path: Path, draw_characters: Draw
) -> None:
    """Its images lie in folders of any name, next to another file."""
    drawn = draw_characters(tmp_path / "boxes", each=14, seed=1, names=("box 1", "box 2", "box 3"))
    (drawn / "readme.txt").write_text("scanned in May")
    base = config.model_copy(update={"data": DataSection()})
    unlabelled = between(base, config.data.collections["near"], str(drawn), unlabelled=True)
    tree = adapt(TASK, unlabelled, Plan(loss_weights=ONE), tmp_path / "out", root=tmp_path, progress=lambda *_: None)
    lines = write_adaptation(TASK, tree, tmp_path / "out")
    assert list(tree["columns"]) == ["source only", "label-free", "chosen setting, kept or not"]
    assert all(set(column["domains"]) == {"near"} for column in tree["columns"].values())
    assert tree["no_bound"] == "the target has no labels"
    assert lines[0].startswith("verdict: the target has no labels")
    assert not any("oracle" in line for line in lines)
    assert "oracle" not in (tmp_path / "out" / "adapt.html").read_text()
    assert set(Run.read("", tmp_path / "out" / "dann-weight-1").target.labels.tolist()) == {-1}
    learned = DataSection(**unlabelled.data.model_dump())
    dataset = load_dataset(TASK, learned, Preprocessing(32, 1, TASK.default_options), tmp_path, lambda *_: None)
    assert set(dataset.classes) == {"ka", "digit_0", "digit_1"}
    splits = split_data(TASK, learned, dataset, seed=0, progress=lambda *_: None).splits
    assert {dataset.samples[i].domain for i in splits["test"]} == {"near"}
    assert sum(dataset.samples[i].domain == "boxes" for i in (*splits["train"], *splits["validation"])) == 42


def _without_oracle(tree: dict[str, Any]) -> dict[str, Any]:
    """Everything that is chosen, estimated and reported without target labels, thresholds included."""
    choice = {key: tree[key] for key in ("chosen", "kept", "statement", "rules")}
    settings = [{key: one[key] for key in ("name", "values", "epoch", "domain_accuracy")} for one in tree["settings"]]
    prior = {key: value for key, value in tree["prior"].items() if "oracle" not in key}
    near = {name: column["domains"]["near"] for name, column in tree["columns"].items() if name != "oracle"}
    return {**choice, "settings": settings, "prior": prior, "near": near}


@pytest.mark.usefixtures("quick_ending")
def test_each_run_is_whole_where_that_is_asked_for(config: Config, tmp_path: Path) -> None:
    plan = Plan(strategies=("adabn",), rule="mutual_information", upper_bound=False)
    tree = adapt(TASK, config, plan, tmp_path, root=tmp_path, progress=lambda *_: None, keep=True)
    assert all(is_whole(tmp_path / run) for run in tree["runs"].values())


@pytest.mark.usefixtures("quick_ending")
def test_reverse_validation_is_measured_on_the_source_and_noted(config: Config, tmp_path: Path) -> None:
    assert config.data.target is not None
    target = config.data.target.model_copy(update={"reverse_validation": True})
    changed = config.model_copy(update={"data": config.data.model_copy(update={"target": target})})
    folder = run(TASK, changed, root=tmp_path, out=tmp_path / "run")
    reverse = read_json(folder / "reverse.json")
    assert len(reverse["hits"]) == len(Run.read("", folder).validation.labels)
    assert reverse["accuracy"] == pytest.approx(np.mean(reverse["hits"]))
    assert not (folder / "reverse").exists()
    notes = read_json(folder / "report.json")["notes"]
    assert any(note.startswith("Target far: log_likelihood kept epoch") and "as an oracle" in note for note in notes)


def test_proxy_a_distance_is_0_of_one_domain_and_2_of_two() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(800, 8)).astype(np.float32)
    units = [range(400), range(400, 800)]
    near, far = (proxy_a_distance(features[:400], features[400:] + shift, units) for shift in (0, 5))
    assert near is not None
    assert near < 0.4
    assert far == pytest.approx(2.0, abs=0.02)


def test_proxy_a_distance_does_not_recognise_patients_and_is_none_for_one_patient() -> None:
    """Slices of a patient are alike here, and nothing else distinguishes the domains."""
    random = np.random.default_rng(0)
    patients = np.repeat(np.arange(80), 10)
    features = (random.normal(size=(80, 60))[patients] + random.normal(size=(800, 60)) * 0.01).astype(np.float32)
    by_patient = proxy_a_distance(features[:400], features[400:], [patients[:400].tolist(), patients[400:].tolist()])
    by_slice = proxy_a_distance(features[:400], features[400:], [range(400), range(400, 800)])
    assert by_patient is not None
    assert by_slice is not None
    assert by_patient < 0.5 < by_slice
    assert proxy_a_distance(features[:400], features[400:], [[1] * 400, range(400)]) is None


def test_a_plan_with_unknown_names_or_idle_options_is_refused(config: Config, tmp_path: Path) -> None:
    named = (
        Plan(rule="luck"),
        Plan(strategies=("finetune",)),
        Plan(strategies=("conservative",)),
        Plan(strategies=("adabn",), loss_weights={"adabn": (0.3,)}),
        Plan(strategies=("adabn",), loss_weights={"dann": (0.3,)}),
    )
    for plan in (*named, Plan(strategies=("mean_teacher",), label_shift=True)):
        with pytest.raises(ConfigError):
            adapt(TASK, config, plan, tmp_path, root=tmp_path, progress=lambda *_: None)
    for strategy in ({**config.strategy, **more} for more in ({"layer": "block9"}, {"hidden": 0}, {"suer": 0.5})):
        changed = config.model_copy(update={"strategy": strategy})
        with pytest.raises(ConfigError):
            adapt(TASK, changed, Plan(), tmp_path, root=tmp_path, progress=lambda *_: None)
    assert not list(tmp_path.iterdir())


def test_a_target_that_is_no_domain_is_refused(config: Config, tmp_path: Path) -> None:
    data = config.data.model_copy(update={"target": TargetSection(domain="elsewhere")})
    with pytest.raises(ConfigError, match="it must be one of several domains; there are far, near"):
        run(TASK, config.model_copy(update={"data": data}), root=tmp_path)


def test_a_rule_without_labels_needs_a_target(config: Config, tmp_path: Path) -> None:
    data = config.data.model_copy(update={"target": None})
    strategy = {**config.strategy, "name": "finetune", "selection": "entropy", "batch_norm": "train"}
    with pytest.raises(ConfigError, match=r"set data\.target\.domain"):
        run(TASK, config.model_copy(update={"data": data, "strategy": strategy}), root=tmp_path)
    for more in (
        {"name": "mean_teacher", "augmentation": "usual"},
        {"name": "adabn"},
        {"name": "dann", "batch_norm": "per_domain"},
    ):
        changed = config.model_copy(
            update={"data": data, "strategy": {**strategy, "selection": "log_likelihood", **more}}
        )
        assert ["set data.target.domain" in fault for fault in faults_of_run(TASK, changed)] == [True]
