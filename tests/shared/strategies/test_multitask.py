from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handwriting.task import TASK
from shared.config.read import load_config, validate
from shared.data.split import Split
from shared.errors import ConfigError
from shared.io.atomic import read_json
from shared.models.network import AuxiliaryHead
from shared.models.restore import load_trained
from shared.pipeline.train import run
from shared.prediction.predictor import Predictor
from shared.prediction.text import answer_text
from shared.strategies.multitask import STRATEGY, AuxiliaryTask, MaskTask, Options, Weighting
from shared.training.job import Job
from shared.training.objective import ClassLoss
from tests.shared.small_job import Killed, small_job, with_evidence

PHASES = [{"epochs": 6, "train": "all", "lr_head": 1e-2, "lr_backbone": 1e-2}]


def _options(**changes: Any) -> Options:
    tree = {"name": "multitask", "batch_size": 8, "phases": PHASES, "tasks": ["side"], **changes}
    return validate(Options, tree, origin="strategy")


def _labelled(split: Split) -> Split:
    """Every third image darkened on one side, which is the auxiliary label; every fifth label is missing."""
    samples, images = [], []
    for i, (sample, image) in enumerate(zip(split.samples, split.images, strict=True)):
        side = "left" if i % 3 == 0 else "none"
        image = image.copy()
        if side == "left":
            image[:, :, :8] = 1.0
        samples.append(sample if i % 5 == 4 else replace(sample, auxiliary={"side": side}))
        images.append(image)
    return replace(split, samples=samples, images=images)


def _job(folder: Path, progress: Any = lambda *_: None) -> Job:
    job = small_job(folder, progress)
    return replace(job, train=_labelled(job.train), validation=_labelled(job.validation))


def test_weighting_by_uncertainty_is_that_of_the_paper_and_finds_the_minimum() -> None:
    """At the minimum of exp(-s) L + s / 2 over s, exp(-s) is 1 / (2 L)."""
    weighting, losses = Weighting(None, 2), torch.tensor([0.2, 3.0])
    with torch.no_grad():
        weighting.log_variances.copy_(torch.tensor([0.3, -0.4]))
    value = weighting(losses, torch.tensor([True, True]))
    s = torch.tensor([0.3, -0.4])
    torch.testing.assert_close(value.detach(), (torch.exp(-s) * losses + s / 2).sum())
    value.backward()
    torch.testing.assert_close(weighting.log_variances.grad, 0.5 - torch.exp(-s) * losses)
    optimiser = torch.optim.LBFGS(weighting.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = weighting(losses, torch.tensor([True, True]))
        loss.backward()
        return loss

    optimiser.step(closure)
    torch.testing.assert_close(weighting.weights().detach(), 1 / (2 * losses), rtol=1e-3, atol=1e-4)


def test_a_task_without_a_label_in_the_batch_moves_no_weight() -> None:
    weighting = Weighting(None, 2)
    weighting(torch.tensor([1.0, 0.0]), torch.tensor([True, False])).backward()
    assert weighting.log_variances.grad.tolist() == [-0.5, 0.0]


def test_fixed_weights_multiply_the_losses() -> None:
    weighting = Weighting([0.0, 2.5], 2)
    assert float(weighting(torch.tensor([9.0, 2.0]), torch.tensor([True, True]))) == 5.0
    assert list(weighting.parameters()) == []


def test_images_without_a_label_have_no_part_in_the_loss() -> None:
    task = AuxiliaryTask(AuxiliaryHead("side", 3, ("a", "b")), ClassLoss(torch.ones(2)), np.array([0, -1, 1, -1]))
    features = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss, known = task(features, torch.tensor([3, 2, 0]))
    expected = torch.nn.functional.cross_entropy(task.head(features[1:]), torch.tensor([1, 0]))
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert not features.grad[0].any()
    nothing, known = task(features, torch.tensor([1, 3]))
    assert (float(nothing.detach()), bool(known)) == (0.0, False)
    nothing.backward()


def test_both_tasks_are_learnt_and_the_head_stays_with_the_network(tmp_path: Path) -> None:
    job = _job(tmp_path)
    assert STRATEGY.fit(job, _options())[-1]["validation_accuracy"] > 0.9
    (head,) = job.network.auxiliary
    assert (head.task, head.classes) == ("side", ("left", "none"))
    features = torch.cat(list(STRATEGY.features(job, job.validation)))
    truth = np.arange(20) % 3 != 0
    assert (head(features).argmax(dim=1).numpy() == truth).mean() > 0.8


def test_an_auxiliary_task_alone_chooses_the_checkpoint(tmp_path: Path) -> None:
    job = _job(tmp_path)
    before = job.network.head.weight.detach().clone()
    options = _options(weighting="fixed", weights={"class": 0.0}, weight_decay=0.0)
    history = STRATEGY.fit(job, options)
    assert history[-1]["validation_accuracy"] > 0.8
    assert history[-1]["validation_accuracy"] * 16 == pytest.approx(round(history[-1]["validation_accuracy"] * 16))
    assert torch.equal(job.network.head.weight, before)


def test_killed_and_resumed_it_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)

    def kill(_what: str, done: int, *_: object) -> None:
        if done == 12:
            raise Killed

    whole, resumed = _job(tmp_path / "whole"), _job(tmp_path / "cut")
    STRATEGY.fit(whole, _options())
    with pytest.raises(Killed):
        STRATEGY.fit(_job(tmp_path / "cut", kill), _options())
    STRATEGY.fit(resumed, _options())
    found = [job.network.state_dict() for job in (whole, resumed)]
    assert {"auxiliary.0.weight", "head.weight"} <= set(found[0])
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"tasks": ["side", "side"]}, "stands twice"),
        ({"tasks": ["class"]}, "is class"),
        ({"tasks": ["Patient Name"]}, "pattern"),
        ({"weighting": "fixed", "weights": {"plane": 1.0}}, "no task plane; there are class, side"),
        ({"weights": {"side": 1.0}}, "weights are for weighting=fixed"),
        ({"weighting": "fixed", "weights": {"class": 0.0, "side": 0.0}}, "class 0, side 0; each must be 0 or more"),
    ],
)
def test_contradictory_options_are_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        _options(**changes)


def test_a_run_keeps_reports_exports_and_predicts_its_auxiliary_task(
    tmp_path: Path, tiny_words: tuple[str, ...], characters: Path
) -> None:
    phase = "{epochs: 4, train: all, lr_head: 0.01, lr_backbone: 0.003}"
    strategy = (
        f"{{name: multitask, tasks: [kind], schedule: gradual, augmentation: none, batch_size: 8, phases: [{phase}]}}"
    )
    folder = run(TASK, load_config(None, [*tiny_words, f"strategy={strategy}"]), root=tmp_path, out=tmp_path / "run")
    resolved = load_config(folder / "config.yaml").strategy
    assert [phase["train"] for phase in resolved["phases"]] == ["none", "last:1", "all"]
    report = read_json(folder / "report.json")
    assert report["test"]["auxiliary"]["kind"]["accuracy"]["interval"]
    assert ">Auxiliary tasks</h2>" in (folder / "report.html").read_text(encoding="utf-8")
    network, record = load_trained(folder)
    assert record.auxiliary == {"kind": ["consonant", "digit"]}
    (item,) = TASK.read_inputs([characters / "digit_0" / "000.png"])
    predictor = Predictor(folder, TASK.name, TASK.preprocess)
    answer = predictor.assess(item)
    image = torch.from_numpy(TASK.preprocess(item.slices[0], record.preprocessing))[None]
    expected = torch.softmax(network.auxiliary[0](network.features(image)), dim=1)[0].tolist()
    assert list(answer.auxiliary["kind"].values()) == pytest.approx(expected, abs=1e-4)
    assert answer.to_json(TASK)["auxiliary"] == answer.auxiliary
    assert f"  kind: {max(answer.auxiliary['kind'], key=answer.auxiliary['kind'].get)} (" in answer_text(answer, TASK)


def test_masks_teach_where_the_evidence_lies(tmp_path: Path) -> None:
    job = with_evidence(small_job(tmp_path), 40)
    options = _options(tasks=["mask"], weighting="fixed", weights={"class": 0.2, "mask": 1.0})
    STRATEGY.fit(job, options)
    images = torch.from_numpy(np.stack([job.validation.images[i] for i in (1, 3, 5)]))
    with torch.no_grad():
        found = job.network.evidence(job.network.backbone(images))
    inside = torch.zeros(found.shape[1:], dtype=torch.bool)
    scale = found.shape[1] / 16
    inside[round(5 * scale) : round(9 * scale), round(5 * scale) : round(9 * scale)] = True
    assert float(found[:, inside].mean()) > 1.0 > -1.0 > float(found[:, 0].mean())


def test_images_whose_mask_is_not_known_teach_no_place(tmp_path: Path) -> None:
    task = MaskTask(np.array([False, True]))
    logits = torch.zeros(2, 4, 4, requires_grad=True)
    loss, known = task(logits, torch.ones(2, 16, 16), torch.tensor([0, 1]))
    loss.backward()
    assert bool(known)
    assert logits.grad is not None
    assert logits.grad[0].abs().sum() == 0
    assert (logits.grad[1] < 0).all()
    loss, known = task(logits, torch.ones(2, 16, 16), torch.tensor([0, 0]))
    assert (float(loss.detach()), bool(known)) == (0.0, False)


def test_a_finding_smaller_than_a_place_counts_there() -> None:
    masks = torch.zeros(1, 16, 16)
    masks[0, 0, 0] = 1.0
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    MaskTask(np.array([True]))(logits, masks, torch.tensor([0]))[0].backward()
    assert logits.grad[0, 0, 0] < 0 < logits.grad[0, 1, 1]


def test_masks_alone_choose_no_checkpoint() -> None:
    with pytest.raises(ConfigError, match="all but mask are 0"):
        _options(tasks=["mask"], weighting="fixed", weights={"class": 0.0})
