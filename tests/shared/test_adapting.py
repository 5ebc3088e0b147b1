"""Adaptation from one folder of drawn characters to another, from the command to the model that is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handwriting.task import TASK
from shared.adapt_cli import RULE_NAMES, between
from shared.adapting import KEPT, Plan, adapt, statement
from shared.adapting_report import proxy_a_distance, write_adaptation
from shared.artifacts import check_finished, read_json, read_model_record
from shared.config import Config, load_config
from shared.errors import ConfigError, UsageError
from shared.evidence import Run, setting_rules
from shared.runner import run
from shared.targeting import FOLDER

Draw = Callable[..., Path]
STRATEGY = (
    "strategy={name: dann, batch_norm: per_domain, augment: false, batch_size: 8, phases: [{epochs: 2, train: all, "
    "lr_head: 0.01, lr_backbone: 0.003, shape: annealed}]}"
)
BACKBONE = "backbone={name: convnet_small, weights: random, size: 32, layers: [block2], pooling: avg2}"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, draw_characters: Draw) -> Config:
    root = tmp_path_factory.mktemp("collections")
    near, far = (draw_characters(root / name, each=14, seed=seed) for seed, name in enumerate(("near", "far")))
    return between(load_config(None, (STRATEGY, BACKBONE)), str(near), str(far))


@pytest.mark.usefixtures("quick_ending")
def test_it_tries_chooses_and_tells_both_columns(config: Config, tmp_path: Path) -> None:
    plan = Plan(methods=("dann", "adabn"), weights=(0.5,), rule="mutual_information")
    tree = adapt(TASK, config, plan, tmp_path, root=tmp_path, progress=lambda *_: None)
    lines = write_adaptation(TASK, tree, tmp_path)
    assert [one["name"] for one in tree["settings"]] == ["source only", "dann weight=0.5", "adabn"]
    assert {"source only", "label-free", "oracle", "trained on target labels"} < set(tree["columns"])
    assert all(set(column["domains"]) == {"near", "far"} for column in tree["columns"].values())
    assert tree["kept"] in ("source only", tree["chosen"])
    assert lines[0] == tree["statement"]
    html = (tmp_path / "adapt.html").read_text()
    assert "oracle" in html
    assert html.count("data:image/png") == 5
    assert read_json(tmp_path / "adapt.json")["proxy_a_distance"].keys() == {"source only", tree["chosen"]}
    check_finished(tmp_path / KEPT)
    assert not (tmp_path / KEPT / FOLDER).exists()
    assert set(read_model_record(tmp_path / KEPT).classes) == {"ka", "digit_0", "digit_1"}


@pytest.mark.usefixtures("quick_ending")
def test_labels_of_the_target_change_nothing_but_what_is_told_of_them(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same images under other labels give the same weights, epochs and evidence, bit by bit."""
    import shared.runner
    from shared.samples import Dataset

    loaded = shared.runner.load_dataset

    def turned(*given: Any) -> Dataset:
        from dataclasses import replace

        dataset = loaded(*given)
        names = dataset.classes
        samples = tuple(
            replace(one, label=names[(names.index(str(one.label)) + 1) % 3]) if one.domain == "far" else one
            for one in dataset.samples
        )
        return replace(dataset, samples=samples)

    run(TASK, config, root=tmp_path, out=tmp_path / "true")
    monkeypatch.setattr(shared.runner, "load_dataset", turned)
    run(TASK, config, root=tmp_path, out=tmp_path / "turned")
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "true" / name).read_bytes() == (tmp_path / "turned" / name).read_bytes()
    true, other = (Run.read(name, tmp_path / name) for name in ("true", "turned"))
    assert (true.target.labels != other.target.labels).all()
    assert all((a == b).all() for a, b in zip(true.target.scores, other.target.scores, strict=True))


@pytest.mark.usefixtures("quick_ending")
def test_the_way_back_is_judged_on_the_source_and_told(config: Config, tmp_path: Path) -> None:
    changed = config.model_copy(update={"reverse_validation": True})
    folder = run(TASK, changed, root=tmp_path, out=tmp_path / "run")
    told = read_json(folder / "reverse.json")
    assert len(told["hits"]) == len(Run.read("", folder).validation.labels)
    assert told["accuracy"] == pytest.approx(np.mean(told["hits"]))
    assert not (folder / "reverse").exists()


def test_the_alarm_is_raised_unless_the_whole_interval_speaks_for_adapting() -> None:
    assert statement("dann", "entropy", 0.2, (0.1, 0.3)).startswith("dann is kept")
    assert "ALARM: source only is kept" in statement("dann", "entropy", 0.2, (-0.1, 0.5))
    assert statement("dann", "entropy", 0.2, None).startswith("Source only is kept: too few")


def test_proxy_a_distance_is_0_of_one_domain_and_2_of_two() -> None:
    random = np.random.default_rng(0)
    codes = random.normal(size=(800, 8)).astype(np.float32)
    assert proxy_a_distance(codes[:400], codes[400:]) < 0.4
    assert proxy_a_distance(codes[:400], codes[400:] + 5) == pytest.approx(2.0, abs=0.02)


def test_two_domains_or_two_paths_are_named_and_nothing_between(tmp_path: Path) -> None:
    config = load_config(None, ())
    named = between(config, "a", "b").data
    assert (named.domains, named.target) == (("a", "b"), "b")
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    paths = between(config, str(tmp_path / "x"), str(tmp_path / "y")).data
    assert (list(paths.collections), paths.target) == (["x", "y"], "y")
    for source, target in ((str(tmp_path / "x"), "b"), ("a", str(tmp_path / "y")), ("a", None)):
        with pytest.raises(UsageError):
            between(config, source, target)


def test_the_command_names_the_rules_that_there_are() -> None:
    assert set(RULE_NAMES) == set(setting_rules())
    assert Plan().rule == RULE_NAMES[0]


def test_a_plan_names_rules_and_methods_that_there_are(config: Config, tmp_path: Path) -> None:
    for plan in (Plan(rule="luck"), Plan(methods=("finetune",))):
        with pytest.raises(ConfigError):
            adapt(TASK, config, plan, tmp_path, root=tmp_path, progress=lambda *_: None)
    assert not list(tmp_path.iterdir())


def test_a_target_that_is_no_domain_is_refused(config: Config, tmp_path: Path) -> None:
    data = config.data.model_copy(update={"target": "elsewhere"})
    with pytest.raises(ConfigError, match="it must be one of several domains; there are far, near"):
        run(TASK, config.model_copy(update={"data": data}), root=tmp_path)


def test_a_rule_without_labels_needs_a_target(config: Config, tmp_path: Path) -> None:
    data = config.data.model_copy(update={"target": None})
    strategy = {**config.strategy, "name": "finetune", "selection": "entropy", "batch_norm": "train"}
    with pytest.raises(ConfigError, match=r"it needs data\.target"):
        run(TASK, config.model_copy(update={"data": data, "strategy": strategy}), root=tmp_path)
