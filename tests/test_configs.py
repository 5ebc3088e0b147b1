"""Every configuration that is shipped loads, and every name in it exists."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from shared.config.read import load_config
from shared.config.schema import DataSection, TargetSection
from shared.experiments.comparison.plan import load_comparison
from shared.models.backbones.build import find_backbone
from shared.pipeline.preflight import faults_of_run
from shared.task import Task
from shared.tasks.images import ImageTask

ROOT = Path(__file__).parents[1] / "configs"
COMPARISONS = sorted(ROOT.rglob("compare*.yaml"))
PATHS = sorted(set(ROOT.rglob("*.yaml")) - set(COMPARISONS))


def _task(path: Path) -> Task:
    if path.parent.name == "shared":
        return ImageTask("pictures")
    task: Task = import_module(f"{path.parent.name}.task").TASK
    return task


def test_each_application_has_configurations_and_comparisons() -> None:
    for paths in (PATHS, COMPARISONS):
        assert {path.parent.name for path in paths} == {"handwriting", "medtl", "shared"}


def test_every_file_opens_with_its_purpose() -> None:
    firsts = {path: path.read_text(encoding="utf-8").splitlines()[0] for path in (*PATHS, *COMPARISONS)}
    assert [path for path, line in firsts.items() if not line.startswith("# ") or len(line) <= 20] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_configuration_has_no_fault_and_names_no_local_path(path: Path) -> None:
    config = load_config(path, application=path.parent.name)
    task = _task(path)
    assert config.data.source in (None, task.synthetic_name)
    assert config.backbone.weights in ("imagenet", "packaged", "random")
    if config.backbone.weights == "imagenet":
        assert find_backbone(config.backbone.name).weights_url is not None
    if path.stem == "adapt":  # its target is named on the command line
        config = config.model_copy(update={"data": DataSection(target=TargetSection(domain="a scanner"))})
    assert faults_of_run(task, config) == []
    if path.parent.name == "shared":
        return
    settings = import_module(f"{path.parent.name}.settings").Settings
    settings.of({**task.default_options, **config.data.options})  # refuses values that the schema cannot check


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_comparison_has_no_fault_and_names_no_local_path(path: Path) -> None:
    plan = load_comparison(_task(path), path)
    assert {cell.config.data.source for cell in plan.cells} == {None}
    assert {cell.config.backbone.weights for cell in plan.cells} <= {"imagenet", "packaged", "random"}


def test_the_comparison_of_aneja_has_all_seven_backbones() -> None:
    path = ROOT / "handwriting" / "compare_aneja2019.yaml"
    plan = load_comparison(_task(path), path)
    small = {f"efficientnet_lite{number}" for number in range(3)}
    assert {cell.config.backbone.name for cell in plan.cells} == set(plan.base.published) | small
    assert len(plan.base.published) == 7
    assert all(cell.config.strategy == plan.base.strategy for cell in plan.cells)


def test_the_comparison_of_saxena_has_the_figures_of_its_abstract() -> None:
    path = ROOT / "medtl" / "compare_saxena2019.yaml"
    plan = load_comparison(_task(path), path)
    accuracies = {name: one.accuracy for name, one in plan.base.published.items()}
    assert accuracies == {"resnet50": 0.95, "vgg16": 0.90, "inception_v3": 0.55}
    assert {cell.config.backbone.name for cell in plan.cells} > set(accuracies)
    assert all("199 distinct" in str(one.note) for one in plan.base.published.values())


@pytest.mark.parametrize("application", ["handwriting", "medtl", "shared"])
def test_names_do_not_collide_within_an_application(application: str) -> None:
    names = [load_config(path, application=path.parent.name).name for path in PATHS if path.parent.name == application]
    assert len(set(names)) == len(names)
