"""The side of the network input on which advice tries a backbone."""

from __future__ import annotations

from typing import Any

import pytest

from handwriting.task import TASK
from shared.config.schema import Config
from shared.experiments.advice.setting import Setting
from shared.models.local_weights import LocalWeights
from shared.pipeline.preflight import preflight


@pytest.mark.parametrize(
    ("name", "sides", "side"),
    [
        ("ppocr_v6_small_rec", {"store_size": 32, "size": 64}, 48),
        ("squeezenet1_1", {"store_size": 32, "size": 64}, 64),
        ("convnet_small", {"store_size": 48, "size": 64}, 48),
        ("ppocr_v6_small_rec", {"size": 64}, 64),
    ],
)
def test_small_images_are_enlarged_to_no_more_than_a_network_was_trained_on(
    name: str, sides: dict[str, int], side: int
) -> None:
    experiment = preflight(TASK, Config.model_validate({"backbone": sides}))
    none: Any = None
    setting = Setting(experiment, none, none, none, none, none)
    one = LocalWeights(name, "none.pth")
    assert setting.side_of(one) == side
    recipe = {"strategy": {"name": "linear_probe"}}
    assert setting.config_for(one, recipe).backbone.size == side
