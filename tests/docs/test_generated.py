"""The reference that is written from the code holds every command, key, strategy, backbone and measure."""

from __future__ import annotations

from types import ModuleType

import click
import pytest
from typer.main import get_command

from handwriting.task import TASK as CHARACTERS
from medtl.cli import app
from medtl.task import TASK as TUMOURS
from shared.config.describe import describe
from shared.config.schema import Config
from shared.evaluation.measure import MEASURES
from shared.models.backbones.record import BACKBONES
from shared.strategies import find_strategy, strategy_names
from tests.docs.pages import CONFIGURATIONS, ROOT

REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def reference(generated: ModuleType) -> str:
    return "".join(generated.fill(path.read_text(encoding="utf-8")) for path in sorted(REFERENCE.glob("*.md")))


def test_every_command_and_option_is_there(reference: str) -> None:
    group = get_command(app)
    assert isinstance(group, click.Group)
    for name, command in group.commands.items():
        assert f"### `medtl {name}`" in reference
        for option in (one for one in command.params if isinstance(one, click.Option)):
            assert option.opts[0] in reference


def test_every_key_is_there(reference: str) -> None:
    keys = [key for key, _, _ in describe(Config) if key not in ("strategy", "decision")]
    keys += [key for name in strategy_names() for key, _, _ in describe(find_strategy(name).options, "strategy.")]
    keys += [f"data.options.{name}" for task in (TUMOURS, CHARACTERS) for name in task.default_options]
    assert [key for key in keys if f"`{key}`" not in reference] == []
    assert "`decision.sensitivity`" in reference
    assert "`decision.max_selective_risk`" in reference


def test_every_strategy_backbone_measure_and_configuration_is_there(reference: str) -> None:
    TUMOURS.register_backbones()
    CHARACTERS.register_backbones()
    names = [*strategy_names(), *BACKBONES, *MEASURES, *(path.stem for path in CONFIGURATIONS)]
    assert [name for name in names if f"`{name}`" not in reference] == []


def test_no_part_that_a_page_asks_for_is_unknown(generated: ModuleType) -> None:
    with pytest.raises(KeyError):
        generated.fill("<!-- generated: nothing -->")
    assert "<!-- generated" not in generated.fill("<!-- generated: measures -->")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("a_b <c> *d*", r"a\_b \<c\> \*d\*"),
        ("see `a_b`, not c_d", r"see `a_b`, not c\_d"),
        ("one ` alone_", r"one \` alone\_"),
    ],
)
def test_text_of_the_code_is_no_markup(generated: ModuleType, said: str, written: str) -> None:
    assert generated._prose(said) == written
