from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from handwriting.task import TASK
from shared.config.describe import to_yaml
from shared.errors import ConfigError
from shared.experiments.comparison.plan import load_comparison, merged

SMALL = """
name: small
base: {backbone: {name: resnet18, size: 64}, strategy: {name: finetune, batch_size: 8}}
backbones:
  dotted: {backbone.name: vgg11}
  tree: {backbone: {name: alexnet, size: 96}}
strategies:
  frozen: {strategy: {name: linear_probe}}
  finetune: {strategy: {batch_norm: freeze_stats}}
labels_per_class: [5, null]
seeds: [0, 3]
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "compare.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_combination_is_a_cell_and_seeds_stand_together(tmp_path: Path) -> None:
    plan = load_comparison(TASK, _write(tmp_path, SMALL))
    assert len({cell.folder for cell in plan.cells}) == len(plan.cells) == 16
    assert [[cell.seed for cell in row] for row in plan.rows()] == [[0, 3]] * 8
    cell = plan.cells[5]
    assert (cell.backbone, cell.strategy, cell.labels, cell.seed) == ("tree", "frozen", 5, 3)
    assert (cell.config.seed, cell.config.data.budget.labels_per_class) == (3, 5)
    assert (cell.config.backbone.name, cell.config.backbone.size) == ("alexnet", 96)
    assert plan.cells[0].config.backbone.size == 64


def test_another_strategy_takes_no_options_of_the_base(tmp_path: Path) -> None:
    frozen, finetune = (load_comparison(TASK, _write(tmp_path, SMALL)).cells[i].config.strategy for i in (0, 2))
    assert frozen == {"name": "linear_probe"}
    assert finetune == {"name": "finetune", "batch_size": 8, "batch_norm": "freeze_stats"}


def test_the_networks_of_a_comparison_are_those_that_it_names(tmp_path: Path) -> None:
    nearest = "nearest: {name: convnet_small}"
    cells = load_comparison(TASK, _write(tmp_path, SMALL.replace("size: 64}", f"size: 64, {nearest}}}"))).cells
    assert {cell.config.backbone.nearest for cell in cells} == {None}
    with pytest.raises(
        ConfigError, match=r"backbones\.tree: backbone\.nearest: a comparison names its networks itself"
    ):
        load_comparison(TASK, _write(tmp_path, SMALL.replace("size: 96}", f"size: 96, {nearest}}}")))


def test_overrides_leave_what_they_are_laid_over_alone() -> None:
    base = {"data": {"options": {"a": 1}}, "seed": 2}
    assert merged(base, {"data.options.b": 3, "data": {"leaks": "drop"}}) == {
        "data": {"options": {"a": 1, "b": 3}, "leaks": "drop"},
        "seed": 2,
    }
    assert base == {"data": {"options": {"a": 1}}, "seed": 2}


def test_the_base_may_be_a_file_and_overrides_change_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: other\nbackbone: {name: resnet18, size: 64}\n", encoding="utf-8")
    path = _write(tmp_path, "name: x\nbase: base.yaml\nbackbones: {a: {}}\nstrategies: {s: {}}\n")
    (cell,) = load_comparison(TASK, path, ["backbone.pooling=avg_2x2", "data.source=d.zip"]).cells
    assert (cell.config.backbone.size, cell.config.backbone.pooling, cell.config.data.source) == (
        64,
        "avg_2x2",
        "d.zip",
    )
    assert cell.config.name == "x-a-s"


def test_a_cell_of_another_configuration_has_another_folder(tmp_path: Path) -> None:
    path = _write(tmp_path, SMALL)
    one, two = (load_comparison(TASK, path, words).cells[0] for words in ([], ["data.split.test=0.3"]))
    assert one.name == two.name
    assert one.folder != two.folder
    assert to_yaml(load_comparison(TASK, path).cells[0].config) == to_yaml(one.config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds: [0, 3]", "seeds: [0, 0]"), "seeds: 0 occurs twice"),
        (("seeds:", "sedes:"), "unknown key 'sedes'; did you mean seeds? keys: seeds, name"),
        (("labels_per_class: [5, null]", "labels_per_class: [0]"), "labels_per_class.0: "),
        (("seeds: [0, 3]", "seeds: []"), "seeds: "),
        (("{backbone.name: vgg11}", "{backbone.nam: vgg11}"), "backbones.dotted: backbone.nam: unknown key 'nam'"),
        (("{name: linear_probe}", "{name: linear}"), "strategies.frozen: strategy.name: unknown strategy 'linear'"),
        (("linear_probe}", "linear_probe, layers: auto}"), "strategies.frozen: strategy.layers: unknown key 'layers'"),
        (("{batch_norm: freeze_stats}", "{batch_norm: cold}"), "strategies.finetune: strategy.batch_norm: "),
        (("{strategy: {batch_norm: freeze_stats}}", "{strategy: linear_probe}"), "strategies.finetune: strategy: "),
        (("{backbone.name: vgg11}", "{backbone.name: vgg1}"), "backbones.dotted: unknown backbone 'vgg1'"),
        (("{backbone.name: vgg11}", "{backbone.layers: [x]}"), "backbones.dotted: backbone.layers: no layer 'x'"),
        (("base: {", "base: {data: {options: {crop: 1}}, "), "base: data.options: unknown crop"),
        (
            ("base: {", "base: {data: {augmentation: none}, "),
            "base: data.augmentation: was renamed; write strategy.augmentation",
        ),
        (("{backbone.name: vgg11}", "{seed: 4}"), "backbones.dotted: seed: is set by the comparison's own key seeds"),
        (
            ("base: {", "base: {data: {budget: {labels_per_class: 4}}, "),
            "base: data.budget.labels_per_class: is set by",
        ),
        (("{backbone.name: vgg11}", "{name: a}"), "to choose a backbone write backbone.name"),
        (
            ("{backbone.name: vgg11}", "{weights: random}"),
            "dotted: weights: unknown key 'weights'; did you mean backbone.w",
        ),
        (
            ("{backbone.name: vgg11}", "vgg11"),
            "backbones: give each a name and its changes, such as {vgg11: {backbone.na",
        ),
        (("dotted:", "a/b:"), "backbones.a/b"),
    ],
)
def test_a_fault_is_one_clear_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as fault:
        load_comparison(TASK, _write(tmp_path, SMALL.replace(*change)))
    assert "\n" not in str(fault.value)


def test_a_fault_of_an_override_is_blamed_on_the_command_line(tmp_path: Path) -> None:
    text = SMALL.replace("{backbone.name: vgg11}", "{device: tpu}")
    with pytest.raises(ConfigError) as fault:
        load_comparison(TASK, _write(tmp_path, text), ["data.leeks=drop", "data.options.crop=1"])
    assert "the command line: data.leeks: unknown key 'leeks'" in str(fault.value)
    assert f"{tmp_path / 'compare.yaml'}: backbones.dotted: device: " in str(fault.value)


def test_every_fault_is_listed_and_those_of_the_base_once(tmp_path: Path) -> None:
    text = SMALL.replace("size: 64", "sise: 64").replace("{backbone.name: vgg11}", "{device: tpu}")
    with pytest.raises(ConfigError) as fault:
        load_comparison(TASK, _write(tmp_path, text.replace("seeds: [0, 3]", "seeds: [-1]")))
    assert str(fault.value).count("unknown key 'sise'") == 1
    assert "backbones.dotted: device" in str(fault.value)
    assert "seeds.0: " in str(fault.value)


def test_faults_that_only_two_overrides_together_have_are_found(tmp_path: Path) -> None:
    text = SMALL.replace("{backbone.name: vgg11}", "{backbone.store_size: 48}").replace(
        "{strategy: {batch_norm: freeze_stats}}", "{backbone.size: 32}"
    )
    with pytest.raises(ConfigError, match=r"backbones\.dotted with strategies\.finetune: backbone: store_size is 48"):
        load_comparison(TASK, _write(tmp_path, text))


def test_faults_of_strategies_and_backbones_are_listed_once_each(tmp_path: Path) -> None:
    text = SMALL.replace("linear_probe}", "linear_probe, layers: auto}").replace("vgg11", "vgg1")
    with pytest.raises(ConfigError) as fault:
        load_comparison(TASK, _write(tmp_path, text.replace("freeze_stats}}", "freeze_stats, batches: 2}}")))
    for message in ("strategy.layers: unknown key", "strategy.batches: unknown key", "unknown backbone 'vgg1'"):
        assert str(fault.value).count(message) == 1


def test_a_stage_that_one_backbone_lacks_is_reported_under_both(tmp_path: Path) -> None:
    phases = "{phases: [{epochs: 1, train: [layer4]}]}"
    text = SMALL.replace("{batch_norm: freeze_stats}", phases).replace("{backbone.name: vgg11}", "{}")
    message = "backbones.tree with strategies.finetune: train: no stage layer4; this backbone has conv1"
    with pytest.raises(ConfigError, match=re.escape(message)) as fault:
        load_comparison(TASK, _write(tmp_path, text))
    assert "dotted" not in str(fault.value)


def test_a_base_that_only_its_overrides_complete_is_no_fault(tmp_path: Path) -> None:
    text = SMALL.replace("{name: finetune, batch_size: 8}", "{name: conservative, batch_size: 8}")
    path = _write(tmp_path, text.replace("{batch_norm: freeze_stats}", "{parameters: {strength: 0.1}}"))
    assert load_comparison(TASK, path).cells[2].config.strategy["parameters"] == {"strength": 0.1}


def test_reading_a_comparison_imports_nothing_heavy() -> None:
    heavy = "sorted({'torch', 'matplotlib', 'scipy'} & set(sys.modules))"
    code = f"import sys, shared.experiments.comparison.plan; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
