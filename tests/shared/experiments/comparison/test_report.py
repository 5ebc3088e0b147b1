"""What a comparison says of published figures."""

from __future__ import annotations

from typing import Any

import pytest

from handwriting.task import TASK
from shared.experiments.comparison.plan import Plan, load_comparison
from shared.experiments.comparison.report import published_lines

SAID = {"source": "Nobody 1900", "accuracy": 0.9, "test_images": 20}


def _plan(backbones: dict[str, Any], **more: Any) -> Plan:
    return load_comparison(
        TASK,
        {
            "name": "published",
            "base": {
                "backbone": {"name": "vgg16", "weights": "imagenet"},
                "strategy": {"name": "linear_probe"},
                "published": {"vgg16": SAID},
            },
            "backbones": backbones,
            "strategies": {"frozen": {}},
            **more,
        },
    )


def _row(name: str, value: float, low: float | None, high: float | None) -> dict[str, Any]:
    measure = {"value": value, "low": low, "high": high}
    return {"backbone": name, "strategy": "frozen", "measures": {"accuracy": measure}, "failures": {}}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.85, 0.95, "reproduced"),
        (0.75, 0.85, "not reproduced, though the intervals overlap"),
        (0.40, 0.60, "not reproduced"),
        (None, None, "not testable here, too few independent images for an interval"),
    ],
)
def test_a_verdict_goes_by_the_interval_and_names_that_of_the_paper(
    low: float | None, high: float | None, verdict: str
) -> None:
    (line,) = published_lines(_plan({"vgg": {}}), [_row("vgg", 0.8, low, high)])
    assert line.startswith(
        "vgg16: published accuracy 0.9 [0.699, 0.972] of 20 test images (Nobody 1900); vgg x frozen "
    )
    assert line.endswith(f": {verdict}")


def test_packaged_weights_of_imagenet_are_in_the_setting_and_random_ones_are_not() -> None:
    plan = _plan({"here": {"backbone.weights": "packaged"}, "blank": {"backbone.weights": "random"}})
    (line,) = published_lines(plan, [_row("here", 0.9, 0.8, 0.95), _row("blank", 0.9, 0.8, 0.95)])
    assert "; here x frozen " in line


def test_a_label_budget_is_another_setting() -> None:
    (line,) = published_lines(_plan({"vgg": {}}, labels_per_class=[5]), [_row("vgg", 0.9, 0.8, 0.95)])
    assert line.endswith(": not testable here, no row has weights and strategy of the base and all labels")
