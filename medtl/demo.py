"""The guided first run: what transfer gains, on synthetic data, in minutes on two cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medtl.task import TASK
from shared.config.read import load_config
from shared.errors import ConfigError, WeightsError
from shared.evaluation.text import measure_text
from shared.io.atomic import read_json
from shared.pipeline.train import run
from shared.progress import Progress
from shared.runs.verdict import read_verdict

IMAGENET = "target, from ImageNet"


def run_demo(root: Path, overrides: Sequence[str], progress: Progress) -> list[str]:
    """Trains on one scanner, then on few patients of another one: from the first, from ImageNet, and from nothing.

    Args:
        root: Where the phantom and the run folders go; what is finished there is used again.
        overrides: `key=value` words applied to all runs; may be empty.
        progress: Called with (what, done, total, note).

    Returns:
        The lines to print: a table of the runs, what each is fit for, what chose their settings where labels were few,
        the gain in AUC, the path of the report of the transferred model, and how to make that model answer. Where the
        packaged weights of ImageNet are not installed, a line says so in place of that run.
    """
    source = _train(root, "phantom-source", overrides, progress)
    transfer = _train(root, "phantom-transfer", (*overrides, f"backbone.weights={source}"), progress)
    runs = {"source scanner": source, "target, from that scanner": transfer}
    missing = []
    try:
        runs[IMAGENET] = _train(root, "phantom-imagenet", (*overrides, "backbone.weights=packaged"), progress)
    except (ConfigError, WeightsError) as error:  # without timm the network is unknown
        missing = [f"{IMAGENET}: not trained: {error}"]
    alone = runs["target, from nothing"] = _train(root, "phantom-alone", overrides, progress)
    rows = [f"{'run (synthetic data)':28s} {'test AUC':>22s} {'sensitivity':>22s} {'specificity':>22s}"]
    rows += [f"{name:28s} {_cells(read_json(path / 'report.json')['test'])}" for name, path in runs.items()]
    rows += [f"{name}: {read_verdict(path).short}" for name, path in runs.items()]
    gain = _auc(transfer) - _auc(alone)
    return [
        *rows,
        *missing,
        *load_config("phantom-transfer", overrides, TASK.name).data.statements,
        f"transfer from the other scanner gained {gain:+.3f} of AUC over the same network from nothing",
        f"report: {transfer / 'report.html'}",
        f"several models, so choose which one answers: {TASK.name} use {transfer.name}",
    ]


def _train(root: Path, name: str, words: Sequence[str], progress: Progress) -> Path:
    config = load_config(name, words, TASK.name)
    return run(TASK, config, root=root, progress=lambda what, *rest: progress(f"{name}: {what}", *rest))


def _cells(test: Mapping[str, Any]) -> str:
    return " ".join(f"{measure_text(test[name]):>22s}" for name in ("auc", "sensitivity", "specificity"))


def _auc(run: Path) -> float:
    return float(read_json(run / "report.json")["test"]["auc"]["value"])
