from __future__ import annotations

from typing import Any

import pytest

from handwriting.task import TASK
from shared.config import Config
from shared.pipeline.preflight import faults_of_run


def _faults(**sections: Any) -> list[str]:
    return faults_of_run(TASK, Config.model_validate(sections))


def test_the_defaults_have_no_fault() -> None:
    assert _faults() == []


def test_all_faults_are_told_each_once() -> None:
    found = _faults(
        data={"options": {"crop": 1}, "augmentation": "none"},
        backbone={"name": "resnet81"},
        strategy={"name": "linear_probe", "layers": "auto", "head": "tree"},
    )
    head, layers, options, augmentation, backbone = found
    assert head.startswith("strategy.head: ")
    assert layers.startswith("strategy.layers: unknown key 'layers'")
    assert options.startswith("data.options: unknown crop")
    assert augmentation.startswith("data.augmentation: unknown augmentation 'none'")
    assert backbone.startswith("unknown backbone 'resnet81'; did you mean resnet18")


def test_a_stage_is_looked_up_in_the_backbone() -> None:
    (fault,) = _faults(strategy={"phases": [{"epochs": 1, "train": ["layer9"]}]})
    assert fault.startswith("train: no stage layer9")


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"strategy": {"selection": "entropy"}}, "strategy.selection: entropy judges unlabelled images"),
        ({"reverse_validation": True}, "reverse_validation needs data.target"),
    ],
)
def test_what_needs_a_target_without_labels_is_refused_without_one(sections: dict[str, Any], said: str) -> None:
    (fault,) = _faults(**sections)
    assert fault.startswith(said)
    (fault,) = _faults(**sections, data={"target": "here", "target_labels": True})
    assert fault.startswith(said)
    assert _faults(**sections, data={"target": "here"}) == []
