from __future__ import annotations

import pytest

from shared.config.read import validate
from shared.config.schema import Config
from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO, epochs_for, recipe
from shared.models.backbones.build import find_backbone
from shared.strategies import find_strategy

STAGES = find_backbone("squeezenet1_1").stages


@pytest.mark.parametrize("name", [PROBE, PROBE_AUTO, FINETUNE])
def test_every_recipe_is_a_configuration_that_its_strategy_takes(name: str) -> None:
    tree = recipe(name, 200)
    tree["backbone"] = {"name": "squeezenet1_1", **tree.get("backbone", {})}
    config = validate(Config, tree, origin=name)
    strategy = find_strategy(str(config.strategy["name"]))
    options = validate(strategy.options, config.strategy, origin=name)
    strategy.check(options, STAGES)


def test_few_images_are_seen_more_often_and_in_smaller_batches() -> None:
    assert [epochs_for(count) for count in (10, 150, 100_000)] == [30, 20, 8]
    few, many = recipe(FINETUNE, 100)["strategy"], recipe(FINETUNE, 5000)["strategy"]
    assert few["batch_size"] < many["batch_size"]
