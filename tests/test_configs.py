"""Every configuration that is shipped: it loads, and every name in it is one that the code knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config.describe import to_yaml
from shared.config.read import load_config
from shared.config.schema import DataSection, TargetSection
from shared.experiments.comparison.plan import Plan, load_comparison
from shared.models.backbones.build import find_backbone
from shared.pipeline.preflight import faults_of_run
from shared.task import Task

ROOT = Path(__file__).parents[1] / "configs"
COMPARISONS = sorted(ROOT.rglob("compare*.yaml"))
PATHS = sorted(set(ROOT.rglob("*.yaml")) - set(COMPARISONS))


def _task(path: Path) -> Task:
    from importlib import import_module

    task: Task = import_module(f"{path.parent.name}.task").TASK
    return task


@pytest.fixture(params=PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def path(request: pytest.FixtureRequest) -> Path:
    given: Path = request.param
    return given


def test_each_application_has_configurations() -> None:
    assert {path.parent.name for path in PATHS} == {"handwriting", "medtl"}


def test_it_loads_and_comes_back_as_it_was_written_out(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    (tmp_path / "resolved.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert load_config(tmp_path / "resolved.yaml") == config


@pytest.mark.parametrize("path", [*PATHS, *COMPARISONS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_opens_with_a_line_that_says_what_it_is_for(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 20


def test_nothing_in_it_keeps_a_run_from_being_begun(path: Path) -> None:
    config = load_config(path)
    if path.stem == "adapt":  # its target is named on the command line
        config = config.model_copy(update={"data": DataSection(target=TargetSection(domain="a scanner"))})
    assert faults_of_run(_task(path), config) == []


def test_its_weights_exist_somewhere(path: Path) -> None:
    wanted = load_config(path).backbone
    assert wanted.weights == "random" or find_backbone(wanted.name).weights_url is not None


@pytest.fixture(params=COMPARISONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def plan(request: pytest.FixtureRequest) -> Plan:
    return load_comparison(_task(request.param), request.param)


def test_each_application_has_a_comparison() -> None:
    assert {path.parent.name for path in COMPARISONS} == {"handwriting", "medtl"}


def test_a_comparison_names_no_place_on_anyones_disk(plan: Plan) -> None:
    assert {cell.config.data.source for cell in plan.cells} == {None}
    assert {cell.config.backbone.weights for cell in plan.cells} <= {"imagenet", "random"}


def test_the_paper_is_compared_by_its_seven_backbones() -> None:
    plan = load_comparison(
        _task(ROOT / "handwriting" / "compare_aneja2019.yaml"), ROOT / "handwriting" / "compare_aneja2019.yaml"
    )
    assert len({cell.config.backbone.name for cell in plan.cells}) == 7
    assert set(plan.base.published) < {cell.config.backbone.name for cell in plan.cells}
    assert all(cell.config.strategy == plan.base.strategy for cell in plan.cells)


def test_the_comparison_of_saxena_has_all_that_its_abstract_says() -> None:
    plan = load_comparison(
        _task(ROOT / "medtl" / "compare_saxena2019.yaml"), ROOT / "medtl" / "compare_saxena2019.yaml"
    )
    said = {name: one.accuracy for name, one in plan.base.published.items()}
    assert said == {"resnet50": 0.95, "vgg16": 0.90, "inception_v3": 0.55}
    assert {cell.config.backbone.name for cell in plan.cells} == set(said)
    assert all("209 distinct" in str(one.note) for one in plan.base.published.values())


def test_its_preprocessing_options_are_those_of_its_application(path: Path) -> None:
    from importlib import import_module

    task, config = _task(path), load_config(path)
    settings = import_module(f"{path.parent.name}.settings").Settings
    settings.of({**task.default_options, **config.data.options})


def test_it_names_no_place_on_anyones_disk(path: Path) -> None:
    config = load_config(path)
    assert config.data.source is None
    assert config.backbone.weights in ("imagenet", "random")


@pytest.mark.parametrize("application", ["handwriting", "medtl"])
def test_names_do_not_collide_within_an_application(application: str) -> None:
    names = [load_config(path).name for path in PATHS if path.parent.name == application]
    assert len(set(names)) == len(names)
