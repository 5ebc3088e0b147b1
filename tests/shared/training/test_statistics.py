"""Statistics of BatchNorm that are estimated anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from shared.training.passes import stack_images
from shared.training.statistics import estimate_statistics
from tests.shared.small_job import small_job


def test_statistics_are_those_of_the_images_and_weights_stay(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    network, split = job.network, job.train
    norm = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    momentum, seen = norm.momentum, list[torch.Tensor]()
    norm.running_mean.fill_(9.0)
    weights = {name: tensor.clone() for name, tensor in network.named_parameters()}
    hook = norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    estimate_statistics(network, split, torch.device("cpu"))
    hook.remove()
    (maps,) = seen  # all 40 images in one batch
    torch.testing.assert_close(norm.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(norm.running_var, maps.transpose(0, 1).flatten(1).var(dim=1), atol=1e-5, rtol=1e-4)
    assert norm.momentum == momentum
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.named_parameters())


@pytest.mark.parametrize("bound", ["BATCH", "BYTES"])
def test_a_last_smaller_batch_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    job = small_job(tmp_path)
    most = {"BATCH": 16, "BYTES": 16 * job.train.images[0].nbytes}[bound]
    monkeypatch.setattr(f"shared.training.passes.EVALUATION_{bound}", most)
    norm = next(module for module in job.network.modules() if isinstance(module, nn.BatchNorm2d))
    counts = list[int]()
    hook = norm.register_forward_hook(lambda _, inputs, __: counts.append(len(inputs[0])))
    estimate_statistics(job.network, job.train, torch.device("cpu"))
    hook.remove()
    assert counts == [16, 16]
    assert len(stack_images(job.train, 0, 40, torch.device("cpu"))) == 40
