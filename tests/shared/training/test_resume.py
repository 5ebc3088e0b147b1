"""A training that is killed, at whatever moment, ends as if nothing had happened; two processes train one run."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from handwriting.task import TASK
from shared.config.read import load_config
from shared.io.atomic import read_json
from shared.pipeline.train import run
from shared.prediction.predictor import Predictor
from shared.runs.folder import is_finished

Words = tuple[str, ...]
CHECKPOINT_SECONDS = 0.1
"""In place of 20 s: the work that a kill loses must be little compared with trainings of seconds."""
KILLS = 10
LATEST = 0.9
"""The latest kill, as a share of the undisturbed duration: a slightly faster training must not finish before it."""
DEADLINE_SECONDS = 300
DRIVER = """
import sys
from pathlib import Path
import shared.training.trainer
from handwriting.task import TASK
from shared.config.read import load_config
from shared.pipeline.train import run

def progress(what, done, total, note):
    if done == total and what == "reading images, test":
        print("begun", flush=True)
    if done == total and what.startswith("training, phase 2"):
        print("trained", flush=True)

shared.training.trainer.CHECKPOINT_SECONDS = float(sys.argv[1])
run(TASK, load_config(None, sys.argv[3:]), root=Path(), out=Path(sys.argv[2]), progress=progress)
"""
PARALLEL_DRIVER = """
import json, os, sys
from pathlib import Path
import torch
from handwriting.task import TASK
from shared.config.read import load_config
from shared.pipeline.train import run

folder, written = sys.argv[1], []

def watch(event, args):
    if event == "open" and str(args[0]).startswith(folder) and set(str(args[1])) & set("wax+"):
        written.append(str(args[0]))
    if event == "os.rename" and str(args[1]).startswith(folder):
        written.append(str(args[1]))

sys.addaudithook(watch)
run(TASK, load_config(None, sys.argv[2:]), root=Path(), out=Path(folder))
initialised = torch.distributed.is_initialized() and torch.distributed.get_world_size()
Path(f"{folder}-rank{os.environ['RANK']}.json").write_text(json.dumps([initialised, written]))
"""


def _long(words: Words, epochs: int) -> Words:
    """Two phases, so that a kill may fall between them as well."""
    phases = f"[{{epochs: 2, train: none}}, {{epochs: {epochs}, train: all, lr_head: 0.003, lr_backbone: 0.001}}]"
    return (*words, f"strategy.phases={phases}")


@contextmanager
def _training(folder: Path, words: Words) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", DRIVER, str(CHECKPOINT_SECONDS), str(folder), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert any(line.strip() == word for line in process.stdout), f"the training ended before it was {word}"


def _kill(process: subprocess.Popen[str], after_seconds: float) -> None:
    time.sleep(max(0.0, after_seconds))
    process.send_signal(signal.SIGKILL)
    assert process.wait(DEADLINE_SECONDS) == -signal.SIGKILL, "it was finished before it could be killed"


def _assert_same_run(one: Path, other: Path) -> None:
    for name in ("model.safetensors", "metrics.jsonl", "predictions.csv", "model.json", "report.json", "config.yaml"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert not (other / "checkpoint.pt").exists()


@pytest.mark.usefixtures("quick_ending")
def test_killed_at_a_random_moment_it_resumes_to_the_same_weights(
    tmp_path: Path, tiny_words: Words, caplog: pytest.LogCaptureFixture
) -> None:
    words, moments = _long(tiny_words, 16), []

    def progress(what: str, *_: object) -> None:
        if what.startswith("training"):
            moments.append(time.monotonic())

    def train(folder: Path, show: Callable[..., None] = lambda *_: None) -> Path:
        return run(TASK, load_config(None, words), root=tmp_path, out=folder, progress=show)

    whole = train(tmp_path / "whole", progress)
    share = np.random.default_rng(7).uniform(0.2, 0.8)
    with _training(tmp_path / "cut", words) as process:
        _wait_for(process, "begun")
        # what torch loads late (seconds, before the first step) is no training that a kill could fall into
        while not (tmp_path / "cut" / "checkpoint.pt").exists() and process.poll() is None:
            time.sleep(0.01)
        _kill(process, share * (moments[-1] - moments[0]) - CHECKPOINT_SECONDS)
    assert not is_finished(tmp_path / "cut")
    with caplog.at_level(logging.INFO, "shared.training.trainer"):
        resumed = train(tmp_path / "cut")
    assert "resumed at phase" in caplog.text
    _assert_same_run(whole, resumed)


@dataclass(frozen=True)
class Timeline:
    """Moments of an undisturbed training, in seconds from its start."""

    begun: float
    trained: float
    finished: float


def _undisturbed(folder: Path, words: Words) -> Timeline:
    started = time.monotonic()
    marks = []
    with _training(folder, words) as process:
        for word in ("begun", "trained"):
            _wait_for(process, word)
            marks.append(time.monotonic() - started)
        assert process.wait(DEADLINE_SECONDS) == 0
    return Timeline(*marks, finished=time.monotonic() - started)


@pytest.mark.slow
def test_killed_ten_times_at_random_moments_it_ends_with_the_same_weights(tmp_path: Path, tiny_words: Words) -> None:
    """Each kill falls one random moment later in the timeline of the undisturbed training than the one before.

    So they hit the start, either phase, checkpoints half written, the export and the report.
    """
    words = (*_long(tiny_words, 200), "strategy.augmentation=usual")
    line = _undisturbed(tmp_path / "whole", words)
    cut, killed = tmp_path / "cut", 0
    shares = (np.arange(KILLS) + np.random.default_rng(11).random(KILLS)) / KILLS
    reached = 0.0
    for moment in shares * LATEST * line.finished:
        with _training(cut, words) as process:
            if moment < line.begun:
                _kill(process, moment)
            else:
                _wait_for(process, "begun")
                # it resumes where it was killed, or, after its training, at the last checkpoint of that
                _kill(process, moment - max(line.begun, min(reached, line.trained)))
        reached, killed = moment, killed + 1
        assert not is_finished(cut)
    assert killed == KILLS
    with _training(cut, words) as process:
        assert process.wait(DEADLINE_SECONDS) == 0
    _assert_same_run(tmp_path / "whole", cut)
    Predictor(cut, TASK.name, TASK.preprocess)


def _in_parallel(folder: Path, words: Words) -> list[tuple[int, list[str]]]:
    """Trains under torchrun; for each of two processes the size of the group it was in, and what it wrote."""
    driver = folder.with_name("driver.py")
    driver.write_text(PARALLEL_DRIVER)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(driver), str(folder)]
    done = subprocess.run(
        [sys.executable, *launch, *words, "device=cpu"],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [tuple(json.loads(Path(f"{folder}-rank{rank}.json").read_text())) for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param("strategy.phases=[{epochs: 1}, {epochs: 12, train: all, lr_backbone: 0.003}]", id="finetune"),
        pytest.param("strategy={name: linear_probe}", id="linear_probe"),
    ],
)
def test_two_processes_make_one_run_and_one_of_them_writes_it(tmp_path: Path, tiny_words: Words, strategy: str) -> None:
    folder = tmp_path / "run"
    (world, first), (other_world, second) = _in_parallel(folder, (*tiny_words, strategy))
    assert world == other_world == 2
    assert str(folder / "done") in first
    assert second == []
    assert Predictor(folder, TASK.name, TASK.preprocess).record.task == "handwriting"
    accuracy = read_json(folder / "report.json")["validation"]["accuracy"]["value"]
    assert accuracy > 0.6 or strategy.endswith("linear_probe}")  # of random features nothing can be asked
