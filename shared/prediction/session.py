"""An exported network under ONNX Runtime, with the out-of-distribution score of each answer. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.evaluation.decision.ood import Reference
from shared.evaluation.decision.places import Values
from shared.task import Image

BATCH, OOD_BATCH = 4, 512
"""Images that go through the network at once, and features that are compared at once. What the network computes of
four images stays near the processor, of sixteen not; a product of large matrices takes less time than many small ones.
Source: docs/lab-log.md, "A slice of a folder: measured once, and what a parser would save"."""
AT_ONCE = 4
"""Most batches that go through the network at a time on a processor: they bound the memory of its maps."""

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "openvino": "OpenVINOExecutionProvider"}
"""What may run a network, by its name on the command line: execution providers of ONNX Runtime."""
PACKAGES = {"cuda": "onnxruntime-gpu", "openvino": "onnxruntime-openvino"}
"""Builds of ONNX Runtime with these; one stands in place of the package `onnxruntime`."""


def check_provider(name: str) -> None:
    """Checks that the ONNX Runtime that is installed has a provider.

    Args:
        name: One of `PROVIDERS`.

    Raises:
        UsageError: It has none of that name.
    """
    if name not in PROVIDERS:
        raise UsageError(f"{name!r} is no provider; allowed are {', '.join(PROVIDERS)}")
    if PROVIDERS[name] not in onnxruntime.get_available_providers():
        raise UsageError(
            f"the ONNX Runtime that is installed cannot run networks on {name}; install {PACKAGES[name]} in place of "
            "onnxruntime"
        )


def open_session(exported: Path, threads: int | None = None, provider: str = "cpu") -> onnxruntime.InferenceSession:
    """Opens an exported network.

    Args:
        exported: The ONNX file.
        threads: Number of threads of the network; None: as many as there are cores.
        provider: What runs the network, one of `PROVIDERS`; "cpu" runs what another one cannot.

    Raises:
        UsageError: That provider is not installed, or cannot start here.
    """
    check_provider(provider)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    options.intra_op_num_threads = threads or cores
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need the cores meanwhile
    wanted = list(dict.fromkeys((PROVIDERS[provider], PROVIDERS["cpu"])))
    session = onnxruntime.InferenceSession(str(exported), sess_options=options, providers=wanted)
    if session.get_providers()[0] != wanted[0]:  # ONNX Runtime goes on with the others, in silence
        raise UsageError(
            f"ONNX Runtime cannot start {provider} on this machine: its libraries or the device are missing"
        )
    return session


def judge(
    session: onnxruntime.InferenceSession, reference: Reference, images: Iterable[Image]
) -> tuple[Values, Values]:
    """Computes class probabilities and out-of-distribution scores of preprocessed images.

    Args:
        session: The exported network.
        reference: Features of its training images.
        images: float32 [channels, size, size] each, at least one. They may be made as they are asked for: the network
            works meanwhile.

    Returns:
        Probabilities, float64 [N, classes], 0 to 1, and out-of-distribution scores, float64 [N], 0 to 2.
    """
    probabilities, features = run(session, ("probabilities", "features"), images)
    starts = range(0, len(features), OOD_BATCH)
    ood = [reference.scores(features[start : start + OOD_BATCH]) for start in starts]
    return probabilities.astype(np.float64), np.concatenate(ood)


def run(
    session: onnxruntime.InferenceSession, names: Sequence[str], images: Iterable[Image]
) -> list[NDArray[np.float32]]:
    """Runs a network on images, in batches; on a processor as many of these at a time as it has threads, or `AT_ONCE`.

    The threads of ONNX Runtime wait for each other at each layer of a batch, those of two batches do not.

    Args:
        session: The exported network.
        names: Its outputs that are wanted.
        images: float32 [channels, size, size] each, at least one.

    Returns:
        The outputs in the order of `names`, float32 [N, ...].
    """

    def outputs(batch: list[Image]) -> list[NDArray[np.float32]]:
        return session.run(names, {"images": np.stack(batch)})

    batches = _batches(images)
    first = next(batches)
    if len(first) < BATCH:
        return outputs(first)  # and no other batch
    every, threads = chain((first,), batches), _batches_at_once(session)
    if threads == 1:
        found = list(map(outputs, list(every)))  # what makes images would drive the network out of the caches
    else:
        with ThreadPoolExecutor(threads, thread_name_prefix="network") as pool:
            try:
                found = list(pool.map(outputs, every))
            except BaseException:  # an image could not be made, or Ctrl-C: nobody waits for the other batches
                pool.shutdown(cancel_futures=True)
                raise
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _batches_at_once(session: onnxruntime.InferenceSession) -> int:
    if session.get_providers()[0] != PROVIDERS["cpu"]:
        return 1  # one device computes
    threads = session.get_session_options().intra_op_num_threads
    # 0: ONNX Runtime chooses, as where the cores of a process are not known
    return min(threads or os.cpu_count() or 1, AT_ONCE)


def _batches(images: Iterable[Image]) -> Iterator[list[Image]]:
    rest = iter(images)
    while batch := list(islice(rest, BATCH)):
        yield batch
