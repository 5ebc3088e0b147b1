"""Every configuration that is shipped: it loads, and every name in it is one that the code knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config import Config, load_config, to_yaml, validate
from shared.experiments.comparison.plan import Plan, load_comparison
from shared.models.backbones.build import find_backbone
from shared.models.pooling import POOLINGS
from shared.strategies import find_strategy, strategy_names
from shared.task import Task
from shared.training.freezing import resolve_stages
from shared.training.selection import LAST, RULES

ROOT = Path(__file__).parents[1] / "configs"
COMPARISONS = sorted(ROOT.rglob("compare*.yaml"))
PATHS = sorted(set(ROOT.rglob("*.yaml")) - set(COMPARISONS))


def _task(path: Path) -> Task:
    from importlib import import_module

    task: Task = import_module(f"{path.parent.name}.task").TASK
    return task


def _stages(config: Config) -> tuple[str, ...]:
    """The stages that are built: up to the deepest layer that is wanted."""
    record = find_backbone(config.backbone.name)
    layers = config.backbone.layers or (record.default_layer,)
    if layers == "auto":
        layers = record.code_layers
    return record.stages[: max(record.stages.index(layer) for layer in layers) + 1]


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


def _check_backbone(config: Config) -> None:
    wanted = config.backbone
    record = find_backbone(wanted.name)
    assert wanted.layers == "auto" or set(wanted.layers) <= set(record.code_layers)
    assert set(wanted.copied or ()) <= set(_stages(config))
    assert wanted.size >= record.min_size
    assert wanted.pooling in POOLINGS
    assert wanted.weights != "imagenet" or record.weights_url is not None


def _check_strategy(config: Config, path: Path) -> None:
    assert config.strategy["name"] in strategy_names()
    options = validate(find_strategy(config.strategy["name"]).options, config.strategy, origin=str(path))
    assert options.selection in (LAST, *RULES)  # type: ignore[attr-defined]
    for phase in getattr(options, "phases", ()):
        trained = resolve_stages(phase.train, _stages(config))
        assert trained or phase.train == "none"


def test_its_backbone_has_the_layers_and_stages_it_names(path: Path) -> None:
    _check_backbone(load_config(path))


def test_its_augmentation_is_one_that_the_application_has(path: Path) -> None:
    assert load_config(path).data.augmentation in _task(path).augmentations


def test_its_strategy_knows_its_options_and_its_phases_their_stages(path: Path) -> None:
    _check_strategy(load_config(path), path)


@pytest.fixture(params=COMPARISONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def plan(request: pytest.FixtureRequest) -> Plan:
    return load_comparison(_task(request.param), request.param)


def test_each_application_has_a_comparison() -> None:
    assert {path.parent.name for path in COMPARISONS} == {"handwriting", "medtl"}


def test_every_cell_of_a_comparison_can_be_built(plan: Plan) -> None:
    for cells in plan.rows():
        _check_backbone(cells[0].config)
        _check_strategy(cells[0].config, Path(plan.name))


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


def test_names_do_not_collide_within_an_application(path: Path) -> None:
    names = [load_config(other).name for other in PATHS if other.parent == path.parent]
    assert len(set(names)) == len(names)
