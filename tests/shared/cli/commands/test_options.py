"""The command `options`."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pytest
import typer
import yaml

from handwriting.cli import app
from medtl.cli import app as tumours
from medtl.phantom.physics import SCANNERS
from medtl.phantom.tumours import KINDS
from shared.adaptation.choice import choice_rules
from shared.config.named import list_configs
from shared.experiments.adaptation import Plan
from shared.explanation.attribution import DEFAULT_METHOD, METHODS
from shared.strategies import target_strategies
from shared.zero_shot.protocol import METHODS as ZERO_SHOT
from tests.shared.cli.calling import call, is_one_line


def test_options_lists_every_key_that_a_resolved_configuration_has(tiny_run: Path) -> None:
    result = call(app, "options")
    assert result.exit_code == 0
    listed = {line.split(" = ")[0] for line in result.stdout.splitlines() if " = " in line}

    def keys(tree: dict, prefix: str = "") -> set[str]:
        found = set()
        for name, value in tree.items():
            deeper = isinstance(value, dict) and name not in ("options", "strategy")
            found |= keys(value, f"{prefix}{name}.") if deeper else {f"{prefix}{name}"}
        return found

    resolved = keys(yaml.safe_load((tiny_run / "config.yaml").read_text())) - {"strategy"}
    assert resolved <= listed
    assert {"data.split.folds", "data.split.held_out_domain", "data.target.labels"} <= listed
    assert {"strategy.phases[].lr_backbone", "strategy.head", "strategy.selection"} <= listed
    assert "margin" in result.stdout


def test_a_section_is_listed_alone() -> None:
    config, finetune = call(app, "options", "config"), call(app, "options", "finetune")
    assert config.stdout.startswith("name = ")
    assert "decision.max_selective_risk" in config.stdout
    assert "decision.sensitivity" in call(tumours, "options", "config").stdout
    assert "strategy." not in config.stdout
    assert finetune.stdout.startswith("with strategy.name = finetune (takes vectors as well as images):")
    data = call(app, "options", "data").stdout
    assert data.startswith("data.source = ")
    assert all(line.startswith(("data.", "    ")) for line in data.splitlines())
    assert call(app, "options", "decision").stdout.startswith("decision.threshold = ")
    wrong = call(app, "options", "finetuna")
    assert wrong.exit_code == 2
    assert is_one_line(wrong, "did you mean finetune")


@pytest.mark.parametrize(
    ("application", "command", "option", "names"),
    [
        (app, "explain", "--method", METHODS),
        (app, "adapt", "--rule", choice_rules()),
        (app, "adapt", "--strategy", target_strategies()),
        (app, "zero-shot", "--methods", ZERO_SHOT),
        (tumours, "zero-shot", "--methods", [name for name in ZERO_SHOT if name != "prototypes"]),
        (tumours, "phantom", "--scanners", SCANNERS),
        (tumours, "phantom", "--kinds", KINDS),
    ],
)
def test_names_that_an_option_takes_are_listed(
    application: typer.Typer, command: str, option: str, names: Collection[str]
) -> None:
    lines = call(application, "options", command).stdout.splitlines()
    listed = lines[lines.index(option) + 1].strip().split(", ")
    assert set(listed) == set(names)


def test_the_default_is_listed_first() -> None:
    assert f"\n    {DEFAULT_METHOD}, " in call(app, "options", "explain").stdout
    assert f"\n    {Plan.rule}, " in call(app, "options", "adapt").stdout


def test_configurations_are_listed_by_name_with_what_they_are_for() -> None:
    lines = call(tumours, "options", "configs").stdout.splitlines()
    assert lines[0] == "configurations by name, for `medtl train NAME`:"
    assert lines[lines.index("frozen") + 1].startswith("    Fixed extractor: frozen features")
    assert "compare_menu" in lines[lines.index("comparisons by name, for `medtl compare NAME`:") :]


@pytest.mark.parametrize("application", [app, tumours], ids=["handwriting", "medtl"])
def test_the_schema_for_editors_takes_every_configuration_and_marks_faults(application: typer.Typer) -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    name = application.info.name
    schemas = {
        kind: validator(json.loads(call(application, "options", section, "--schema").stdout))
        for kind, section in (("configuration", "config"), ("comparison", "compare"))
    }
    for kind, schema in schemas.items():
        schema.check_schema(schema.schema)
        for path in list_configs(name, kind).values():
            assert [one.message for one in schema.iter_errors(yaml.safe_load(path.read_text()))] == [], path
    faulty = ({"sede": 1}, {"backbone": {"size": "wide"}}, {"strategy": {"name": "finetuna"}}, {"base": 3})
    assert [tree for tree in faulty if schemas["configuration"].is_valid(tree)] == []
    assert schemas["configuration"].is_valid({"base": "frozen", "seed": 1})
    assert is_one_line(call(application, "options", "finetune", "--schema"), "allowed are config and compare")
