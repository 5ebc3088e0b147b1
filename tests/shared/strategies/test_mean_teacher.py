"""The mean teacher: pseudo-labels of target images by a moving average of the network."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.config.read import validate
from shared.data.split import Split, unlabelled
from shared.errors import ConfigError
from shared.models.backbones.build import build_backbone
from shared.models.network import Network
from shared.samples import Grouping, Sample
from shared.strategies import find_strategy
from shared.strategies.mean_teacher import STRATEGY, MeanTeacherLoss, Options
from shared.task import Preprocessing
from shared.training.job import Job, Target
from shared.training.objective import Batch


def _split(count: int, seed: int, domain: str) -> Split:
    """Class 1 has a bright square; the target is brighter all over."""
    labels = np.arange(count, dtype=np.int64) % 2
    images = np.random.default_rng(seed).random((count, 1, 16, 16)).astype(np.float32) * (0.4 + 0.2 * (domain == "b"))
    images[labels == 1, :, 4:10, 4:10] += 0.4
    samples = [Sample(id=f"{domain}{i}", source="", label=str(label), domain=domain) for i, label in enumerate(labels)]
    return Split(samples, list(images), labels, Grouping.of(samples, range(count)))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    torch.manual_seed(0)
    return Job(
        network=Network(build_backbone("convnet_small", layers=["block2"], seed=0), ["block2"], "avg_1x1", 64, 2),
        train=_split(24, 1, "a"),
        validation=_split(24, 2, "a"),
        classes=("0", "1"),
        miss_costs=(1.0, 1.0),
        spec=Preprocessing(16),
        content_hash="",
        fingerprint="",
        augment=lambda images, _: 1.0 - images,
        seed=0,
        device=torch.device("cpu"),
        folder=tmp_path,
        progress=lambda *_: None,
        target=Target(unlabelled(_split(24, 3, "b")), unlabelled(_split(24, 4, "b"))),
    )


def _options(**more: Any) -> Options:
    return validate(Options, {"name": "mean_teacher", "class_weights": "none", **more}, origin="test")


def _batch(job: Job, progress: float) -> Batch:
    assert job.target is not None
    labelled, target = (torch.from_numpy(np.stack(split.images[:6])) for split in (job.train, job.target.train))
    return Batch(
        torch.cat([labelled, job.augment(target, range(6))]),
        torch.from_numpy(job.train.labels[:6]),
        torch.arange(6).repeat(2),
        progress,
        plain=target,
    )


def test_the_loss_is_that_of_labels_and_of_pseudo_labels_of_plain_images(job: Job) -> None:
    assert job.target is not None
    job.network.eval()  # statistics of a batch would make the sum depend on which images are together
    with torch.no_grad():
        job.network.head.weight.mul_(20.0)
        plain = torch.from_numpy(np.stack([job.target.train.images[i] for i in range(6)]))
        probability, pseudo_labels = torch.softmax(job.network(plain), dim=1).max(dim=1)
        threshold = float(probability.sort().values[2:4].mean())
        batch = _batch(job, 1.0)
        scores = job.network(batch.images)
        source_loss = torch.nn.functional.cross_entropy(scores[:6], batch.labels)
        target_losses = torch.nn.functional.cross_entropy(scores[6:], pseudo_labels, reduction="none")
        expected = source_loss + 0.5 * (target_losses * (probability >= threshold)).sum() / 6
    objective = MeanTeacherLoss(job, _options(confidence_threshold=threshold, weight=0.5))
    assert float(objective(job.network, batch).detach()) == pytest.approx(float(expected), rel=1e-3)
    assert objective.metrics() == {"pseudo_label_rate": 0.5}
    assert objective.metrics() == {}


def test_at_first_only_labels_count_and_no_gradient_reaches_the_teacher(job: Job) -> None:
    objective = MeanTeacherLoss(job, _options(confidence_threshold=0.0))
    loss = objective(job.network, _batch(job, 0.0))
    alone = objective.class_loss.of(job.network(_batch(job, 0.0).images)[:6], _batch(job, 0.0).labels)
    assert float(loss.detach()) == pytest.approx(float(alone.detach()), rel=1e-5)
    objective(job.network, _batch(job, 1.0)).backward()
    assert all(weight.grad is None for weight in objective.teacher.parameters())
    assert not any(weight.requires_grad for weight in objective.teacher.parameters())
    assert job.network.head.weight.grad is not None


def test_a_teacher_that_is_never_confident_leaves_plain_fine_tuning(job: Job, tmp_path: Path) -> None:
    phase = {"epochs": 2, "train": "all", "lr_head": 1e-2, "lr_backbone": 1e-2, "warmup": 0.0}
    given = {
        "batch_size": 8,
        "batch_norm": "freeze_stats",
        "class_weights": "none",
        "phases": [phase],
    }
    weights, rates = {}, {}
    for name, more in {
        "never": {"confidence_threshold": 0.999999},
        "often": {"confidence_threshold": 0.5},
        "finetune": {},
    }.items():
        own = replace(
            job, network=deepcopy(job.network), folder=tmp_path / name, state={}, augment=lambda images, _: images
        )
        strategy = find_strategy("finetune" if name == "finetune" else "mean_teacher")
        history = strategy.fit(own, validate(strategy.options, {**given, **more}, origin="test"))
        weights[name], rates[name] = own.network.head.weight, history[-1].get("pseudo_label_rate")
    assert rates == {"never": 0.0, "often": pytest.approx(1.0, abs=0.5), "finetune": None}
    assert torch.allclose(weights["never"], weights["finetune"], atol=1e-5)
    assert not torch.allclose(weights["often"], weights["finetune"], atol=1e-3)


def test_the_decay_of_the_teacher_is_not_that_of_the_weights_that_are_kept() -> None:
    options = _options(teacher_ema_decay=0.9)
    assert options.settings().ema_decay == 0.0
    assert _options(ema_decay=0.5).settings().ema_decay == 0.5


def test_without_a_target_there_is_nothing_to_teach(job: Job) -> None:
    with pytest.raises(ConfigError, match=r"set data\.target"):
        STRATEGY.fit(replace(job, target=None), _options())


@pytest.mark.parametrize("option", ["teacher_ema_decay", "confidence_threshold"])
@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_a_decay_or_threshold_out_of_range_is_refused(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=option):
        _options(**{option: value})


def test_images_that_are_not_varied_are_refused_before_a_step(job: Job) -> None:
    """Its pseudo-labels would be of the very images that it learns from, so that errors confirm themselves."""
    before = deepcopy(job.network.state_dict())
    with pytest.raises(ConfigError, match="strategy mean_teacher learns from augmented images"):
        STRATEGY.fit(replace(job, augment=None), _options())
    assert all(torch.equal(value, before[key]) for key, value in job.network.state_dict().items())
