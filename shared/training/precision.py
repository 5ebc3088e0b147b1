"""The precision of a training: the one asked for, or the faster one of this machine, timed once and remembered."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.models.network import Network
from shared.processes.memory import keep_freed_memory
from shared.processes.processor import multiplies_bf16, processor_facts
from shared.training.freezing import BatchNormPolicy, set_mode, set_trainable
from shared.training.timings import remembered

Asked = Literal["auto", "fp32", "bf16"]
Taken = Literal["fp32", "bf16"]
BOTH: tuple[Taken, Taken] = ("fp32", "bf16")
STATE = "precision"
"""Name in `Job.state` of what `TakenPrecision.to_json` gives."""
MARGIN = 1.15
"""How many times as fast bf16 must be for it to be taken: less is lost in the steps of the optimiser, or is chance."""
ROUNDS, FEWEST_ROUNDS, SECONDS = 5, 2, 1.0
"""Steps that are timed in each precision at most and at least; between these, none begins after so much CPU time."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TakenPrecision:
    """The precision of a training.

    Attributes:
        name: "fp32" or "bf16".
        seconds: CPU time of a step, forward and backward, by name of the precision; None where nothing was timed.
    """

    name: Taken
    seconds: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, object]:
        """Makes plain data, with the names of the attributes."""
        return {"name": self.name, "seconds": None if self.seconds is None else dict(self.seconds)}


@dataclass(frozen=True)
class StepShape:
    """What the time of a training step follows from, beside the network and the machine.

    Attributes:
        images: Shape of a batch of images, mostly [images, channels, rows, columns].
        trained: Names of the backbone stages that train.
        batch_norm: What changes in the BatchNorm of these stages, as in `shared.training.freezing`.
    """

    images: tuple[int, ...]
    trained: tuple[str, ...]
    batch_norm: BatchNormPolicy


def precision_for(asked: Asked, network: Network, step: StepShape, device: torch.device) -> TakenPrecision:
    """Settles the precision of a training; "auto" is bf16 on a GPU, and on a CPU the faster one.

    On a CPU that multiplies bfloat16 in hardware, steps of the network are timed in both precisions, and bf16 is taken
    where it is `MARGIN` times as fast. They are timed once for a network and a machine, and read from the cache then,
    so that trainings that are repeated take the same. Other CPUs take fp32.

    Args:
        asked: The option `precision`.
        network: The network, which is left as it is.
        step: The steps of the training.
        device: Device of the training.
    """
    if asked != "auto":
        return TakenPrecision(asked)
    if device.type != "cpu":
        return TakenPrecision("bf16")
    if not multiplies_bf16():
        return TakenPrecision("fp32")
    seconds = remembered("precision", _facts(network, step), BOTH, lambda: seconds_of_step(network, step))
    taken = TakenPrecision("bf16" if seconds["fp32"] >= MARGIN * seconds["bf16"] else "fp32", seconds)
    log.info(
        "precision %s: a step takes %.4f s of CPU time in fp32, %.4f s in bf16",
        taken.name,
        *(seconds[one] for one in BOTH),
    )
    return taken


def _facts(network: Network, step: StepShape) -> list[object]:
    """All that the timing follows from."""
    return [
        network.backbone.record.name,
        network.backbone.input_size,
        network.layers,
        network.pooling,
        {name: list(value.shape) for name, value in network.state_dict().items()},
        [step.images, sorted(step.trained), step.batch_norm],
        processor_facts(),
        torch.get_num_threads(),
        str(torch.__version__),
    ]


def seconds_of_step(network: Network, step: StepShape) -> dict[str, float]:
    """Times the forward and backward pass of a copy of a network on the CPU, in turn in fp32 and in bf16.

    What counts is the CPU time of all threads: on a busy machine the time on the clock says little.

    Args:
        network: The network, which is left as it is.
        step: The step.

    Returns:
        By name of the precision, the CPU time of the shortest of several steps, in seconds.
    """
    keep_freed_memory()  # as training does
    copy = deepcopy(network)
    set_trainable(copy.backbone.stages, copy.head, step.trained, step.batch_norm)
    copy.train()
    set_mode(copy.backbone.stages, copy.head, step.trained, step.batch_norm)
    found = dict.fromkeys(BOTH, float("inf"))
    with torch.random.fork_rng(devices=[]):
        images = torch.rand(step.images)
        for name in BOTH:  # the first step of each prepares what the others use
            _timed(copy, images, name)
        started = time.process_time()
        for number in range(ROUNDS):
            if number >= FEWEST_ROUNDS and time.process_time() - started > SECONDS:
                break
            found = {name: min(found[name], _timed(copy, images, name)) for name in BOTH}
    return {name: round(seconds, 6) for name, seconds in found.items()}


def _timed(network: Network, images: torch.Tensor, name: Taken) -> float:
    """CPU time of one forward and backward pass, in seconds."""
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16"):
        scores = network(images).float()
        loss = F.cross_entropy(scores, torch.zeros(len(images), dtype=torch.int64))
    torch.autograd.backward(loss)
    network.zero_grad()
    return time.process_time() - started
