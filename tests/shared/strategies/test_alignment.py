"""Alignment strategies on a small ConvNet, and on word counts through one hidden layer."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from shared.config.read import validate
from shared.data.split import Split, unlabelled
from shared.errors import ConfigError
from shared.models.backbones.build import build_backbone
from shared.models.backbones.mlp import multilayer_perceptron
from shared.models.network import Network
from shared.samples import Grouping, Sample
from shared.strategies import find_strategy
from shared.strategies._alignment import (
    AlignmentBatch,
    AlignmentObjective,
    AlignmentOptions,
    AlignmentSizes,
    DomainLoss,
)
from shared.strategies.dann import DannLoss
from shared.task import Preprocessing
from shared.training.gradient_reversal import reversed_gradient
from shared.training.job import Job, Target
from shared.training.objective import Batch
from shared.training.passes import predict_features

CPU = torch.device("cpu")
WORDS, SHARED, CUES = 5000, 40, 40
Make = Callable[..., Job]


def _split(images: np.ndarray, labels: np.ndarray, domain: str) -> Split:
    samples = [Sample(id=f"{domain}{i}", source="", label=str(label), domain=domain) for i, label in enumerate(labels)]
    return Split(
        samples, list(images.astype(np.float32)), labels.astype(np.int64), Grouping.of(samples, range(len(labels)))
    )


def _texts(count: int, seed: int, domain: str) -> Split:
    """Word counts: some words depend on the class in both domains, others, more strongly, in the source alone."""
    random = np.random.default_rng([seed, domain == "books"])
    labels = np.arange(count) % 2
    rates = np.full((count, WORDS), 0.01)
    rates[:, 2 * (SHARED + CUES) :] *= random.random(WORDS - 2 * (SHARED + CUES)) + 0.5
    for i, label in enumerate(labels):
        rates[i, label * SHARED : (label + 1) * SHARED] = 0.12
        if domain == "books":
            start = 2 * SHARED + label * CUES
            rates[i, start : start + CUES] = 0.4
    return _split(np.log1p(random.poisson(rates)), labels, domain)


def _pictures(count: int, seed: int, domain: str) -> Split:
    random = np.random.default_rng([seed, len(domain)])
    labels = np.arange(count) % 2
    images = random.random((count, 1, 16, 16)) * (0.4 if domain == "books" else 0.6)
    images[labels == 1, :, 4:10, 4:10] += 0.4
    return _split(images, labels, domain)


def _halves(features: torch.Tensor, scores: torch.Tensor, lambda_: float = 1.0) -> AlignmentBatch:
    """The first half is of one domain, the second of another."""
    half = len(features) // 2
    rows = torch.arange(2 * half)
    return AlignmentBatch(
        features, scores, rows // half, (rows[:half], rows[half:]), torch.ones(2 * half), half, lambda_
    )


def _job(folder: Path, network: Network, draw: Callable[[int, int, str], Split], count: int = 24) -> Job:
    return Job(
        network=network,
        train=draw(count, 1, "books"),
        validation=draw(count, 2, "books"),
        classes=("0", "1"),
        miss_costs=(1.0, 1.0),
        spec=Preprocessing(16),
        content_hash="",
        fingerprint="",
        augment=lambda images, _: images,
        seed=0,
        device=CPU,
        folder=folder,
        progress=lambda *_: None,
        target=Target(*(unlabelled(draw(count, seed, "films")) for seed in (3, 4))),
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Job:
    torch.manual_seed(0)
    backbone = build_backbone("convnet_small", layers=["block2"], seed=0)
    return _job(tmp_path, Network(backbone, ["block2"], "avg_1x1", 64, 2), _pictures)


def _options(name: str, **more: Any) -> Any:
    phase = {"epochs": 2, "train": "all", "lr_head": 1e-2, "lr_backbone": 1e-2, "lr_decay": 1.0, "shape": "annealed"}
    given = {"name": name, "batch_size": 8, "augmentation": "none", "phases": [phase], **more}
    return validate(find_strategy(name).options, given, origin="test")


def _accuracy(job: Job, split: Split) -> float:
    answers = torch.cat(
        [job.network.head(features).argmax(1) for features in predict_features(job.network, split, CPU)]
    )
    return float((answers.numpy() == split.labels).mean())


class RecordingLoss(DomainLoss):
    """A domain loss of 0 that records its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[AlignmentBatch] = []
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, batch: AlignmentBatch) -> torch.Tensor:
        self.batches.append(batch)
        return batch.features.sum() * 0.0


def _objective(job: Job, **more: Any) -> tuple[AlignmentObjective, RecordingLoss, AlignmentSizes]:
    made: dict[str, Any] = {}

    def make(sizes: AlignmentSizes) -> DomainLoss:
        made["sizes"], made["loss"] = sizes, RecordingLoss()
        return made["loss"]

    objective = AlignmentObjective(job, _options("dann", **more), make)
    return objective, made["loss"], made["sizes"]


def _batch(job: Job, progress: float = 0.5) -> Batch:
    assert job.target is not None
    images = np.stack([*job.train.images[:6], *job.target.train.images[:6]])
    places = torch.arange(6).repeat(2)
    return Batch(torch.from_numpy(images), torch.from_numpy(job.train.labels[:6]), places, progress)


def test_the_reversed_gradient_is_minus_lambda_and_the_value_stays() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reversed_gradient(x, 0.25)
    assert torch.equal(y, x)
    (y * torch.tensor([3.0, 5.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-0.75, -1.25]


def test_the_network_gets_the_class_gradient_less_lambda_times_that_of_the_domains(pictures: Job) -> None:
    """The domain classifier gets its own gradient whole, however small lambda is."""
    options, network, batch = _options("dann", weight=0.5), pictures.network.train(), _batch(pictures, progress=0.1)
    objective = AlignmentObjective(pictures, options, lambda sizes: DannLoss(options, sizes))
    classifier = objective.domain_loss.classifier
    ours, theirs = (list(one.parameters()) for one in (network.backbone, classifier))
    found = torch.autograd.grad(objective(network, batch), [*ours, *theirs])
    features = network.features(batch.images)
    class_loss = objective.class_loss.of(network.head(features[:6]), batch.labels)
    domains = torch.tensor([0] * 6 + [1] * 6)
    domain_loss = nn.functional.cross_entropy(classifier.layers(features), domains)
    class_part = torch.autograd.grad(class_loss, ours, retain_graph=True)
    domain_part = torch.autograd.grad(domain_loss, [*ours, *theirs])
    lambda_ = 0.5 * (2 / (1 + np.exp(-1.0)) - 1)
    for got, one, other in zip(found, class_part, domain_part, strict=False):
        assert torch.allclose(got, one - lambda_ * other, atol=1e-6)
    for got, whole in zip(found[len(ours) :], domain_part[len(ours) :], strict=True):
        assert torch.allclose(got, whole, atol=1e-6)
    assert max(float(one.abs().max()) for one in domain_part[: len(ours)]) > 1e-4


def test_one_pass_shows_source_and_target_and_their_domains(pictures: Job) -> None:
    passes = []
    pictures.network.backbone.register_forward_hook(lambda *_: passes.append(1))
    objective, loss, sizes = _objective(pictures)
    passes.clear()
    objective(pictures.network, _batch(pictures))
    batch = loss.batches[0]
    assert len(passes) == 1
    assert (sizes.width, sizes.classes, sizes.domains) == (64, 2, 2)
    assert batch.domains.tolist() == [0] * 6 + [1] * 6
    assert batch.features.shape == (12, 64)
    assert batch.lambda_ == pytest.approx(2 / (1 + np.exp(-5)) - 1)


def test_any_stage_can_be_aligned(pictures: Job) -> None:
    objective, loss, sizes = _objective(pictures, layer="block1")
    objective(pictures.network, _batch(pictures))
    assert sizes.width == loss.batches[0].features.shape[1] == 32
    assert not pictures.network.backbone.stages["block1"]._forward_hooks
    with pytest.raises(ConfigError, match="'block4' is no stage of this network; allowed: block1, block2, scores"):
        _objective(pictures, layer="block4")


def test_several_source_domains_and_the_target_are_different_domains(pictures: Job) -> None:
    samples = [replace(one, domain=f"books{i % 3}") for i, one in enumerate(pictures.train.samples)]
    several = replace(pictures, train=replace(pictures.train, samples=samples))
    objective, loss, sizes = _objective(several)
    objective(several.network, _batch(several))
    assert sizes.domains == 4
    assert loss.batches[0].domains.tolist() == [0, 1, 2, 0, 1, 2] + [3] * 6
    without = replace(several, target=None)
    assert _objective(without)[2].domains == 3


def test_one_domain_alone_is_refused(pictures: Job) -> None:
    with pytest.raises(ConfigError, match=r"set data\.target"):
        _objective(replace(pictures, target=None))


def test_a_prior_of_the_target_weighs_the_source_between_domains(pictures: Job) -> None:
    objective, loss, _ = _objective(pictures, target_prior=(0.2, 0.8))
    objective(pictures.network, _batch(pictures))
    weights = loss.batches[0].weights
    assert torch.allclose(weights[:6], torch.tensor([0.4, 1.6] * 3))
    assert weights[6:].tolist() == [1.0] * 6
    with pytest.raises(ConfigError, match="3 values with the sum 1; give 2 shares of 0 or more that sum to 1"):
        _objective(pictures, target_prior=(0.2, 0.2, 0.6))


def test_statistics_per_domain_end_in_the_network_as_those_of_the_target(pictures: Job) -> None:
    objective, _, _ = _objective(pictures, batch_norm="per_domain")
    plain, _, _ = _objective(pictures)
    norm = pictures.network.backbone.stages["block1"][1]
    pictures.network.train()
    batch = _batch(pictures)
    before = norm.running_mean.clone()
    objective(pictures.network, batch)
    after = norm.running_mean.clone()
    assert objective.statistics is not None
    source_mean = objective.statistics.mean0.clone()
    assert not torch.allclose(after, source_mean)
    target_alone = pictures.network.backbone.stages["block1"][0](pictures.network.backbone.adapted(batch.images[6:]))
    assert torch.allclose(after, 0.9 * before + 0.1 * target_alone.mean(dim=(0, 2, 3)), atol=1e-6)
    with objective.evaluation_statistics(pictures.network, pictures.validation):
        assert torch.equal(norm.running_mean, source_mean)
    assert torch.equal(norm.running_mean, after)
    assert "forward" not in vars(norm)
    with plain.evaluation_statistics(pictures.network, pictures.validation):
        assert torch.equal(norm.running_mean, after)


@pytest.mark.parametrize("name", ["dann", "cdan", "coral", "adabn", "mean_teacher"])
def test_each_method_moves_the_network_elsewhere_than_the_source_alone(
    name: str, pictures: Job, tmp_path: Path
) -> None:
    state = {key: value.clone() for key, value in pictures.network.state_dict().items()}
    history = find_strategy(name).fit(
        pictures, _options(name, **({"confidence_threshold": 0.5} if name == "mean_teacher" else {}))
    )
    adapted = {key: value.clone() for key, value in pictures.network.state_dict().items()}
    pictures.network.load_state_dict(state)
    alone = replace(pictures, folder=tmp_path / "alone", state={})
    find_strategy("finetune").fit(alone, _options("finetune"))
    source = pictures.network.state_dict()
    changed = {key for key in source if not torch.equal(source[key], adapted[key])}
    statistics = {key for key in source if "running" in key or "tracked" in key}
    assert bool(changed - statistics) == (name != "adabn")
    assert changed & statistics
    assert {"entropy", "mutual_information", "soft_neighbourhood_density"} <= history[0].keys()
    assert ("domain_accuracy" in history[0]) == (name in ("dann", "cdan"))
    assert ("pseudo_label_rate" in history[0]) == (name == "mean_teacher")


@pytest.mark.parametrize("name", ["dann", "adabn", "mean_teacher"])
def test_a_training_that_is_killed_ends_with_the_same_weights_statistics_and_history(
    name: str, pictures: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)
    more = {
        "dann": {"batch_norm": "per_domain"},
        "mean_teacher": {"batch_norm": "per_domain", "confidence_threshold": 0.7},
    }
    options = _options(name, **more.get(name, {}))

    def die(what: str, done: int, total: int, note: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    def fresh(**more: Any) -> Job:
        return replace(pictures, network=deepcopy(pictures.network), folder=tmp_path / "killed", state={}, **more)

    with pytest.raises(KeyboardInterrupt):
        find_strategy(name).fit(fresh(progress=die), options)
    resumed = fresh()
    history = find_strategy(name).fit(resumed, options)
    undisturbed = replace(fresh(), folder=tmp_path / "whole")
    assert history == find_strategy(name).fit(undisturbed, options)
    for key in ("network", "statistics"):
        one, other = (
            (job.network if key == "network" else job.state[key]).state_dict() for job in (resumed, undisturbed)
        )
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[entry]) for entry, value in one.items())


@pytest.mark.parametrize("name", ["dann", "adabn", "mean_teacher"])
def test_a_probed_head_comes_before_their_phases_too(name: str, pictures: Job) -> None:
    options = _options(name, head="probe", selection="mutual_information")
    history = find_strategy(name).fit(pictures, options)
    assert "phase" not in history[0]
    assert [row["epoch"] for row in history if "phase" in row] == [1, 2]


def test_a_wide_product_is_projected(pictures: Job) -> None:
    from shared.strategies.cdan import CdanLoss

    loss = CdanLoss(_options("cdan"), AlignmentSizes(3000, 2, 2))
    batch = _halves(torch.rand(8, 3000), torch.rand(8, 2))
    assert loss(batch).isfinite()
    assert loss.classifier.layers[0].in_features == 1024


@pytest.mark.parametrize("entropy", [False, True])
def test_cdan_sees_the_product_of_features_and_class_probabilities(entropy: bool) -> None:
    from shared.strategies.cdan import CdanLoss

    loss = CdanLoss(_options("cdan", entropy=entropy), AlignmentSizes(3, 2, 2))
    features, scores = torch.randn(8, 3), 2 * torch.randn(8, 2)
    probabilities = torch.softmax(scores, dim=1)
    products = torch.stack([torch.outer(p, f).flatten() for p, f in zip(probabilities, features, strict=True)])
    weights = torch.ones(8)
    if entropy:
        certain = 1.0 + torch.exp((probabilities * probabilities.log()).sum(dim=1))
        weights = certain / torch.cat([certain[:4].mean().repeat(4), certain[4:].mean().repeat(4)])
    losses = nn.functional.cross_entropy(loss.classifier.layers(products), torch.arange(8) // 4, reduction="none")
    found = loss(_halves(features, scores))
    torch.testing.assert_close(found, (losses * weights).mean())


def test_the_entropies_of_cdan_get_their_gradient_reversed_and_the_product_none() -> None:
    from shared.strategies.cdan import CdanLoss

    features, scores = torch.randn(8, 3), 2 * torch.randn(8, 2)

    def gradient(entropy: bool, lambda_: float) -> torch.Tensor | None:
        loss, given = CdanLoss(_options("cdan", entropy=entropy), AlignmentSizes(3, 2, 2)), scores.clone()
        loss.load_state_dict(classifier)
        loss(_halves(features, given.requires_grad_(), lambda_)).backward()
        return given.grad

    classifier = CdanLoss(_options("cdan"), AlignmentSizes(3, 2, 2)).state_dict()
    whole, half = gradient(entropy=True, lambda_=1.0), gradient(entropy=True, lambda_=0.5)
    assert gradient(entropy=False, lambda_=1.0) is None
    torch.testing.assert_close(whole, 2 * half)

    loss = CdanLoss(_options("cdan"), AlignmentSizes(3, 2, 2))
    loss.load_state_dict(classifier)
    given = scores.clone().requires_grad_()
    predicted = torch.softmax(given, dim=1)
    certain = 1.0 + torch.exp((predicted * predicted.log()).sum(dim=1))
    means = torch.stack([certain[:4].mean(), certain[4:].mean()]).detach().repeat_interleave(4)
    products = torch.stack([torch.outer(p, f).flatten() for p, f in zip(predicted.detach(), features, strict=True)])
    losses = nn.functional.cross_entropy(loss.classifier.layers(products), torch.arange(8) // 4, reduction="none")
    (losses * certain / means).mean().backward()
    torch.testing.assert_close(whole, -given.grad)


def test_coral_is_0_of_equal_covariances_and_follows_the_definition() -> None:
    from shared.strategies.coral import CoralLoss

    loss, x = CoralLoss(_options("coral"), AlignmentSizes(5, 2, 2)), torch.randn(12, 5)
    same = _halves(torch.cat([x, x + 3.0]), torch.zeros(24, 2))
    other = replace(same, features=torch.cat([x, 2 * x]))
    assert float(loss(same)) == pytest.approx(0, abs=1e-9)
    expected = ((3 * torch.cov(x.T, correction=0)) ** 2).sum() / (4 * 25)
    assert float(loss(other)) == pytest.approx(float(expected), rel=1e-4)


def test_deep_coral_aligns_class_scores_as_its_paper_does(pictures: Job) -> None:
    """By hand: squared distance of the covariances of both domains' logits, over 4 d^2 with d classes."""
    options, network, batch = (
        _options("coral", layer="scores", weight=2.0),
        pictures.network.eval(),
        _batch(pictures, 1),
    )
    strategy = find_strategy("coral")
    strategy.check(options, ["block1", "block2"])
    with torch.no_grad():
        network.head.weight.mul_(300.0)  # those of an untrained network hardly differ
    objective = strategy.objective(pictures, options)
    scores = network(batch.images)
    covariances = [torch.cov(one.T, correction=0) for one in (scores[:6], scores[6:])]
    distance = ((covariances[0] - covariances[1]) ** 2).sum() / (4 * 2**2)
    expected = objective.class_loss.of(scores[:6], batch.labels) + 2.0 * (2 / (1 + np.exp(-10.0)) - 1) * distance
    torch.testing.assert_close(objective(network, batch), expected)
    assert distance > 1e-6


def test_word_counts_through_one_hidden_layer_adapt_as_pictures_do(tmp_path: Path) -> None:
    found = {}
    tested = _texts(400, 9, "films")
    phase = {"epochs": 12, "train": "all", "lr_head": 3e-3, "lr_backbone": 3e-3, "lr_decay": 1.0, "shape": "annealed"}
    for name in ("finetune", "dann"):
        network = Network(multilayer_perceptron(WORDS, (50,), seed=0), ["hidden1"], "avg_1x1", 50, 2)
        torch.manual_seed(0)
        nn.init.normal_(network.head.weight, std=0.1)
        job = _job(tmp_path / name, network, _texts, 400)
        given = _options(name, batch_size=32, selection="mutual_information", phases=[phase])
        find_strategy(name).fit(job, given)
        found[name] = _accuracy(job, tested)
    assert found["dann"] > found["finetune"] + 0.03, found


def test_batchnorm_per_domain_is_refused_where_no_domains_are_aligned() -> None:
    with pytest.raises(
        ConfigError, match="batch_norm: input should be 'auto', 'train', 'freeze_stats' or 'freeze_all'"
    ):
        _options("finetune", batch_norm="per_domain")


@pytest.mark.parametrize(("name", "more"), [("adabn", {}), ("dann", {"batch_norm": "per_domain"})])
def test_statistics_of_a_domain_are_refused_where_batch_norm_was_folded(
    pictures: Job, name: str, more: dict[str, Any]
) -> None:
    before = {key: value.clone() for key, value in pictures.network.state_dict().items()}
    with pytest.raises(ConfigError, match="needs BatchNorm, and these weights have it folded into their convolutions"):
        find_strategy(name).fit(replace(pictures, folded_batch_norm=True), _options(name, **more))
    assert all(torch.equal(value, before[key]) for key, value in pictures.network.state_dict().items())


@pytest.mark.parametrize(("name", "more"), [("adabn", {}), ("dann", {"batch_norm": "per_domain"})])
def test_statistics_of_a_domain_are_refused_without_batch_norm(tmp_path: Path, name: str, more: dict[str, Any]) -> None:
    network = Network(multilayer_perceptron(WORDS, (50,), seed=0), ["hidden1"], "avg_1x1", 50, 2)
    with pytest.raises(ConfigError, match="needs BatchNorm, and this backbone has none"):
        find_strategy(name).fit(_job(tmp_path, network, _texts), _options(name, **more))


def test_all_alignment_strategies_share_their_options() -> None:
    for name in ("dann", "cdan", "coral"):
        assert issubclass(find_strategy(name).options, AlignmentOptions)
