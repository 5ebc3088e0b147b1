from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handwriting.task import TASK
from shared.errors import UsageError
from shared.experiments.comparison.plan import load_comparison
from shared.experiments.comparison.run import run_comparison
from shared.processes.ray import RayWorkers
from shared.runs.folder import is_finished

TINY = """
name: tiny
base:
  data: {source: SOURCE}
  backbone: {name: convnet_small, weights: random, size: 32, layers: [block1], pooling: avg_2x2}
  strategy: {name: linear_probe}
backbones:
  small: {}
  lost: {data.source: SOURCE-lost}
strategies:
  frozen: {}
seeds: [0, 1]
"""


def test_without_ray_the_message_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[ray\]'"):
        RayWorkers("auto")


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of two nodes of one processor each, on this machine."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


def _kill_once(begun: Path, killed: list[int]) -> None:
    """Ends the worker of a cell with SIGKILL when it has begun to write its run."""
    until = time.monotonic() + 300
    while time.monotonic() < until and not killed:
        time.sleep(0.05)
        if not (begun / "config.yaml").is_file():
            continue
        for process in Path("/proc").glob("[0-9]*"):
            try:
                title = (process / "cmdline").read_bytes()
                within = str(begun) in "".join(str(path.readlink()) for path in (process / "fd").iterdir())
            except OSError:
                continue
            if title.startswith(b"ray::") and within:  # it holds the lock of the run
                os.kill(int(process.name), signal.SIGKILL)
                killed.append(int(process.name))
                return


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")  # those of Ray, which runs in this process too
def test_a_killed_worker_is_replaced_and_a_failed_cell_stops_nothing(
    two_nodes: str, characters: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("SOURCE", str(characters)), encoding="utf-8")
    plan = load_comparison(TASK, tmp_path / "tiny.yaml")
    runs = [tmp_path / "compare" / "tiny" / cell.folder for cell in plan.cells]
    killed: list[int] = []
    watch = threading.Thread(target=_kill_once, args=(runs[0], killed))
    watch.start()
    tree: dict[str, Any] = run_comparison(
        TASK, plan, root=tmp_path, progress=lambda *_: None, workers=RayWorkers(two_nodes)
    )
    watch.join()
    assert len(killed) == 1
    small, lost = tree["rows"]
    assert list(small["runs"]) == ["0", "1"]
    assert is_finished(runs[0])
    assert "-lost" in lost["failures"]["0"]


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize(("address", "reason"), [("127.0.0.1:9", "Connection refused"), ("here", "not host:port")])
def test_an_address_without_an_answer_gives_one_line(address: str, reason: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match=f"^--cluster {address}: no Ray cluster answers .*{reason}") as caught:
        list(RayWorkers(address).run([], lambda *_: None))
    assert "\n" not in str(caught.value)
