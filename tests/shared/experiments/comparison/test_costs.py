from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from handwriting.task import TASK
from shared.experiments.comparison.costs import measure_costs
from shared.models.restore import load_trained


def _multiply_adds(run: Path) -> int:
    """Each weight of a convolution is used once at each place of its output, each of a head once."""
    network, record = load_trained(run)
    counts: list[int] = []

    def count(layer: Any, given: Any, output: Any) -> None:
        counts.append(layer.weight.numel() * (output[0, 0].numel() if output.ndim == 4 else 1))

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, record.preprocessing.channels, record.preprocessing.size, record.preprocessing.size))
    return sum(counts)


def test_costs_are_those_of_the_network(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    told: list[int] = []
    found, none = measure_costs(
        TASK, [tiny_run, tmp_path / "broken"], lambda what, done, total, note: told.append(done)
    )
    assert none is None
    assert found is not None
    tensors = load_file(tiny_run / "model.safetensors")
    buffers = ("running_mean", "running_var", "num_batches_tracked", "temperature")
    learnt = {name: tensor for name, tensor in tensors.items() if not name.endswith(buffers)}
    assert found["parameters"] == sum(tensor.numel() for tensor in learnt.values())
    assert found["flops"] == _multiply_adds(tiny_run) * 2
    assert found["images_a_second"] > 0
    assert 0 < found["latency_ms"] < 10_000
    assert told == [0, 1, 2]
