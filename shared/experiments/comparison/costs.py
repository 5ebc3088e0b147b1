"""The costs of using a finished run: parameters, arithmetic, and time on this machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from shared.errors import MedtlError
from shared.models.restore import load_trained
from shared.prediction.predictor import BATCH, Predictor
from shared.progress import Progress
from shared.seeding import generator
from shared.task import Preprocessing, Task

IMAGES = 2 * BATCH
"""Images in one timed call, for the images a second."""
MIN_RUNS, SECONDS = 5, 1.0
"""Fewest timed calls and their least total time; the shortest call counts, for other work on the machine only adds.
Source: the Python standard library's notes on `timeit.Timer.repeat`."""

log = logging.getLogger(__name__)


def measure_costs(task: Task, runs: Sequence[Path], progress: Progress) -> list[dict[str, Any] | None]:
    """Measures the costs of runs, one after another, so that no two are timed at once.

    Args:
        task: The application.
        runs: Finished run folders.
        progress: Called with (what, done, total, note).

    Returns:
        For each run: `parameters` (backbone and head), `flops` of one image (a multiply-add counts as two), and
        `images_a_second` and `latency_ms` of the exported network under ONNX Runtime, with the out-of-distribution
        score of each answer. None for a run that cannot be read.
    """
    task.register_backbones()
    found = list[dict[str, Any] | None]()
    for number, run in enumerate(runs):
        progress("measuring costs", number, len(runs), "")
        try:
            found.append(_costs(task, run))
        except MedtlError as error:
            log.warning("no costs of %s: %s", run.name, error)
            found.append(None)
    progress("measuring costs", len(runs), len(runs), "")
    return found


def _costs(task: Task, run: Path) -> dict[str, Any]:
    network, record = load_trained(run)
    predictor = Predictor(run, task.name, task.preprocess)
    images = _noise(IMAGES, record.preprocessing)
    predictor.judge(images)  # the first call lays out memory
    rate = IMAGES / _shortest(lambda: predictor.judge(images))
    latency = _shortest(lambda: predictor.judge(images[:1]))
    return {
        "parameters": sum(tensor.numel() for tensor in network.parameters()),
        "flops": _flops(network, record.preprocessing),
        "images_a_second": rate,
        "latency_ms": 1000 * latency,
    }


@torch.inference_mode()
def _flops(network: torch.nn.Module, spec: Preprocessing) -> int:
    with FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(np.stack(_noise(1, spec))))
    return int(counter.get_total_flops())


def _noise(count: int, spec: Preprocessing) -> list[Any]:
    """Images of noise: their content does not change the time, and no image of a patient is needed."""
    random = generator(0, "images to be timed on")
    return list(random.random((count, spec.channels, spec.size, spec.size), dtype=np.float32))


def _shortest(act: Callable[[], Any]) -> float:
    """The shortest time of several calls of `act`, in seconds."""
    taken = list[float]()
    while len(taken) < MIN_RUNS or sum(taken) < SECONDS:
        start = time.perf_counter()
        act()
        taken.append(time.perf_counter() - start)
    return min(taken)
