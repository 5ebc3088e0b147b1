"""The costs of using a finished run: parameters, arithmetic, and time on this machine."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from shared.errors import MedtlError
from shared.evaluation.decision.ood import Reference
from shared.models.batch_norm_folding import absorb_batch_norm
from shared.models.network import Network
from shared.models.onnx_export import export_onnx
from shared.models.restore import load_trained
from shared.prediction.session import judge, open_session
from shared.progress import Progress
from shared.runs.folder import EXPORTED, is_whole
from shared.runs.record import ModelRecord
from shared.seeding import generator
from shared.task import Preprocessing, Task

IMAGES = 32
"""Images in one timed call, for the images a second."""
MIN_RUNS, SECONDS = 5, 0.5
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
        For each run, measured once for all of one network: `parameters` (backbone and head), `flops` of one image (a
        multiply-add counts as two), and `images_a_second` and `latency_ms` of the exported network under ONNX Runtime,
        with the out-of-distribution score of each answer. None for a run that cannot be read.
    """
    task.register_backbones()
    found, known = list[dict[str, Any] | None](), dict[str, dict[str, Any]]()
    for number, run in enumerate(runs):
        progress("measuring costs", number, len(runs), "")
        try:
            network, record = load_trained(run)
            reference = Reference.read(run)
            kind = _kind(record, reference)
            if kind not in known:
                known[kind] = _costs(run, network, record, reference)
            found.append(known[kind])
        except MedtlError as error:
            log.warning("no costs of %s: %s", run.name, error)
            found.append(None)
    progress("measuring costs", len(runs), len(runs), "")
    return found


def _kind(record: ModelRecord, reference: Reference) -> str:
    """What the costs of a run follow from, as text: two runs of one network cost the same, whatever their weights."""
    trunks = [{key: value for key, value in one.items() if key != "weights"} for one in record.trunks]
    spec = record.preprocessing
    facts = [trunks, spec.size, spec.channels, len(record.classes), record.auxiliary, reference.features.shape]
    return json.dumps([*facts, reference.axes.shape], sort_keys=True)


def _costs(run: Path, network: Network, record: ModelRecord, reference: Reference) -> dict[str, Any]:
    images = _noise(IMAGES, record.preprocessing)
    parameters, flops = sum(tensor.numel() for tensor in network.parameters()), _flops(network, record.preprocessing)
    with TemporaryDirectory() as folder:
        exported = run / EXPORTED
        if not is_whole(run):
            exported = Path(folder) / EXPORTED
            absorb_batch_norm(network, torch.from_numpy(np.stack(images[:2])))
            export_onnx(network, record.preprocessing, exported, np.stack(images[:1]))
        session = open_session(exported)
    judge(session, reference, images)  # the first call lays out memory
    rate = IMAGES / _shortest(lambda: judge(session, reference, images))
    latency = _shortest(lambda: judge(session, reference, images[:1]))
    return {
        "parameters": parameters,
        "flops": flops,
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
