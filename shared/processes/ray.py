"""Runs work items on a Ray cluster: as many at once as its processors and GPUs allow; a killed worker is replaced.

All machines need this package and one file system under the same paths, because items read and write files.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.errors import MedtlError, UsageError
from shared.extras import missing
from shared.processes.jobs import WorkItem
from shared.processes.memory import begin_peak
from shared.processes.worker import FAULT, WorkFailed
from shared.progress import Progress

RETRIES = 3
"""How often an item is started again whose worker or machine was lost. Source: Ray's own default for tasks."""
CONNECT_S = 10.0
"""Seconds within which the cluster must answer; tried before Ray, which tries for minutes and then exits."""


class RayWorkers:
    """Runs work items on a running Ray cluster.

    Args:
        address: "auto" on a machine of the cluster, "host:6379", or "ray://host:10001" from elsewhere.

    Raises:
        UsageError: Ray is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise UsageError(missing("--cluster", "ray")) from None
        self.address, self.ray = address, ray

    def run(self, items: Sequence[WorkItem], progress: Progress) -> Iterator[tuple[int, Any]]:
        """Runs the items on the cluster, in processes that take one after the other; they report no progress.

        Args:
            items: The items to run.
            progress: Called with ("items", finished, total, how many are left).

        Yields:
            (index, result) of each item, in the order in which they end; a `MedtlError` is the result of an item that
            failed.

        Raises:
            UsageError: No cluster answers.
        """
        with self._connected():
            gpus = self.ray.cluster_resources().get("GPU", 0)
            # what a process has imported and read serves its next item; one with a GPU ends, which frees its memory
            begin = self.ray.remote(max_calls=int(gpus >= 1), max_retries=RETRIES, retry_exceptions=False)(_run)
            level, here = logging.getLogger().level, str(Path.cwd())
            waiting = {
                begin.options(num_gpus=int(item.gpu and gpus >= 1), name=item.name).remote(
                    item.work, item.arguments, here, level
                ): index
                for index, item in enumerate(items)
            }
            while waiting:
                progress("items", len(items) - len(waiting), len(items), f"{len(waiting)} left on the cluster")
                (ended,), _ = self.ray.wait(list(waiting), num_returns=1)
                yield waiting.pop(ended), self._result(ended)

    def _result(self, ended: Any) -> Any:
        try:
            kind, content = self.ray.get(ended)
        except self.ray.exceptions.RayTaskError as error:
            return WorkFailed(f"the process ended early with {error.cause!r}")
        except self.ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:200]
            return WorkFailed(f"its worker process was lost {RETRIES + 1} times ({type(error).__name__}: {reason})")
        return WorkFailed(content) if kind == FAULT else content

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Connects to the cluster, and disconnects in the end, which also ends running items."""
        try:
            _require_listening(self.address)
            self.ray.init(self.address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError, self.ray.exceptions.RayError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"--cluster {self.address}: no Ray cluster answers ({reason}); give auto, host:6379 or "
                "ray://host:10001, and start one with: ray start --head"
            ) from None
        try:
            yield
        finally:
            self.ray.shutdown()


def _require_listening(address: str) -> None:
    """Checks that something listens at an address, or raises OSError or ValueError; "auto" is left to Ray."""
    if address == "auto":
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not host or not port.isdigit():
        raise ValueError("it is not host:port")
    socket.create_connection((host, int(port)), CONNECT_S).close()


def _run(work: Callable[..., Any], arguments: tuple[Any, ...], folder: str, level: int) -> tuple[str, Any]:
    """Runs on a machine of the cluster: does the work in the folder in which the command was given."""
    logging.basicConfig(level=level, format="%(name)s: %(message)s")
    try:
        os.chdir(folder)
    except OSError:
        return FAULT, f"{socket.gethostname()} has no folder {folder}: the cluster needs one shared file system"
    try:
        begin_peak()
        return "result", work(*arguments, lambda *_: None)
    except MedtlError as error:
        return FAULT, str(error)
