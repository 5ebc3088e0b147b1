from __future__ import annotations

from copy import copy
from typing import Any

import pytest

from handwriting.task import TASK
from medtl.task import TASK as MRI
from shared.config.schema import Config
from shared.errors import ConfigError
from shared.pipeline.preflight import faults_of_run, preflight
from shared.task import Task
from shared.tasks.vectors import VectorTask


def _faults(**sections: Any) -> list[str]:
    return faults_of_run(TASK, Config.model_validate(sections))


def test_the_defaults_have_no_fault() -> None:
    assert _faults() == []


def test_every_fault_is_listed_once() -> None:
    found = _faults(
        data={"options": {"crop": 1}},
        backbone={"name": "resnet81"},
        strategy={"name": "linear_probe", "layers": "auto", "head": "tree"},
    )
    head, layers, options, backbone = found
    assert head.startswith("strategy.head: ")
    assert layers.startswith("strategy.layers: unknown key 'layers'")
    assert options.startswith("data.options: unknown crop")
    assert backbone.startswith("unknown backbone 'resnet81'; did you mean resnet18")


def test_a_stage_is_looked_up_in_the_backbone() -> None:
    (fault,) = _faults(strategy={"phases": [{"epochs": 1, "train": ["layer9"]}]})
    assert fault.startswith("train: no stage layer9")


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"stop_after": 14}, "strategy.stop_after: got 14; the phases have 13 epochs"),
        ({"name": "linear_probe", "selection": "last"}, "selection is last, and without epochs"),
        ({"name": "linear_probe", "epochs": 3, "penalty": 0.1}, "penalty is for Newton's method, and epochs for Adam"),
    ],
)
def test_settings_that_cannot_act_are_refused(strategy: dict[str, Any], message: str) -> None:
    (fault,) = _faults(strategy=strategy)
    assert message in fault
    assert _faults(strategy={"stop_after": 13}) == []


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"selection": "entropy"}, "strategy.selection: entropy uses unlabelled images"),
        ({"name": "adabn"}, "strategy.name: adabn learns from images of a target"),
        ({"name": "dann", "batch_norm": "per_domain"}, "strategy.batch_norm: per_domain keeps statistics of a target"),
    ],
)
def test_an_option_that_needs_an_unlabelled_target_is_refused_without_one(
    strategy: dict[str, Any], message: str
) -> None:
    (fault,) = _faults(strategy=strategy)
    assert fault.startswith(message)
    (fault,) = _faults(strategy=strategy, data={"target": {"domain": "here", "labels": "used"}})
    assert fault.startswith(message)
    assert _faults(strategy=strategy, data={"target": {"domain": "here"}}) == []


def test_an_augmentation_is_refused_where_nothing_is_varied() -> None:
    found = faults_of_run(VectorTask("rows", width=3), Config())
    assert "strategy.augmentation: got 'usual', and rows has no augmentation; write strategy.augmentation=none" in found


def test_an_augmentation_is_looked_up_and_required_where_needed() -> None:
    (fault,) = _faults(strategy={"augmentation": "elastic"})
    kinds = "usual, scenes, usual_albumentations"
    assert fault == f"strategy.augmentation: unknown augmentation 'elastic'; known: none, {kinds}"
    assert _faults(strategy={"augmentation": "none"}) == []
    target = {"target": {"domain": "here"}}
    assert _faults(strategy={"name": "mean_teacher"}, data=target) == []
    (fault,) = _faults(strategy={"name": "mean_teacher", "augmentation": "none"}, data=target)
    assert fault == f"strategy.augmentation: got none; mean_teacher learns from augmented images, allowed: {kinds}"


def test_varied_images_are_familiar_only_where_training_varies_them() -> None:
    (fault,) = _faults(strategy={"augmentation": "none"}, decision={"ood_varied": True})
    assert fault.startswith("decision.ood_varied: does nothing without strategy.augmentation")
    assert _faults(strategy={"augmentation": "scenes"}, decision={"ood_varied": True}) == []


def test_a_strategy_that_needs_augmentation_is_refused_where_the_task_has_none() -> None:
    """A task of vectors has none: the mean teacher would learn nothing but its own mistakes there."""
    vectors = copy(TASK)
    vectors.augmentations = ()
    target = {"target": {"domain": "here"}}
    for kind in ("none", "usual"):
        strategy = {"name": "mean_teacher", "augmentation": kind}
        faults = faults_of_run(vectors, Config.model_validate({"strategy": strategy, "data": target}))
        assert len(faults) == 1
        assert faults[0].startswith("strategy.augmentation: ")
    plain = Config.model_validate({"strategy": {"name": "mean_teacher", "augmentation": "none"}, "data": target})
    assert faults_of_run(vectors, plain) == [
        "strategy.augmentation: got none; mean_teacher learns from augmented images, and handwriting has no "
        "augmentation; choose another strategy"
    ]


@pytest.mark.parametrize(
    ("task", "key", "value"),
    [
        (TASK, "sensitivity", 0.5),
        (TASK, "prevalence", 0.3),
        (TASK, "miss_cost", 9),
        (MRI, "max_selective_risk", 0.5),
    ],
)
def test_a_key_of_the_other_kind_of_decision_is_refused(task: Task, key: str, value: float) -> None:
    (fault,) = faults_of_run(task, Config.model_validate({"decision": {key: value}}))
    assert fault.startswith(f"decision.{key}: does nothing in {task.name}, which ")
    other = MRI if task is TASK else TASK
    assert faults_of_run(other, Config.model_validate({"decision": {key: value}})) == []


def test_an_experiment_has_every_name_looked_up_and_every_default_filled_in() -> None:
    config = Config.model_validate({"backbone": {"name": "convnet_small", "size": 32}, "seed": 3})
    experiment = preflight(TASK, config)
    assert (experiment.backbone.name, experiment.spec.size) == ("convnet_small", 32)
    assert experiment.config.strategy == experiment.options.model_dump(mode="json")
    assert experiment.config.decision == {
        "threshold": None,
        "ood_false_positive_rate": 0.01,
        "ood_varied": False,
        "max_selective_risk": 0.01,
    }
    assert experiment.miss_costs(("ka", "kha")) == (1.0, 1.0)
    assert preflight(TASK, experiment.config) == experiment
    assert experiment.varied(seed=4).config.seed == 4


def test_mirror_images_are_refused_where_they_show_something_else() -> None:
    config = Config.model_validate({"backbone": {"mirrored": True}})
    fault = "backbone.mirrored: the mirror image of an input of handwriting shows something else; leave it out"
    assert fault in faults_of_run(TASK, config)
    assert not [line for line in faults_of_run(MRI, config) if "mirror" in line]


def test_a_missed_tumour_costs_what_the_configuration_states() -> None:
    config = Config.model_validate({"decision": {"miss_cost": 5.0}})
    assert preflight(MRI, config).miss_costs(("glioma", "no_tumour")) == (5.0, 1.0)


def test_preflight_lists_every_fault_in_one_message() -> None:
    config = Config.model_validate({"backbone": {"name": "resnet81"}, "decision": {"sensitivity": 0.5}})
    with pytest.raises(ConfigError, match=r"decision\.sensitivity: .*; unknown backbone 'resnet81'"):
        preflight(TASK, config)
