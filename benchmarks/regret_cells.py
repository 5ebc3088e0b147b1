"""Runs the full comparison for the regret of advice: every backbone under every recipe, on one draw of each task.

    python -m benchmarks.regret_cells OUT.jsonl [TASK...] [--seeds 0 1] [--backbones NAME...] [--recipes NAME...]

Cells in OUT.jsonl are not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.regret_tasks import HELD, TUNED, Draw, Trial, draw
from shared.config.read import validate
from shared.config.schema import Config
from shared.data.group_split import draw_split
from shared.data.split import Split
from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO, recipe
from shared.pipeline.build import split_of
from shared.pipeline.fit import fit
from shared.pipeline.preflight import preflight
from shared.samples import Dataset
from shared.task import positive_classes

RECIPES = (PROBE, PROBE_AUTO, FINETUNE)
FILES = {"squeezenet1_1": "squeezenet1_1-imagenet.pth", "mobilenet_v2": "mobilenet_v2-imagenet-bnfolded.pth"}


def main() -> None:
    """Computes the missing cells, seed by seed, so that an interrupted comparison covers all tasks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--backbones", nargs="+", default=list(FILES))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = Path(os.environ["MEDTL_DATA"])
    chosen = [trial for trial in (*TUNED, *HELD) if not given.tasks or trial.name in given.tasks]
    done = {key(cell) for cell in read_cells(given.out)}
    for seed in given.seeds:
        for trial in chosen:
            wanted = [
                (backbone, name)
                for backbone in given.backbones
                for name in given.recipes
                if (trial.name, seed, backbone, name) not in done
            ]
            if wanted:
                with tempfile.TemporaryDirectory() as scratch:
                    _cells(trial, seed, wanted, data, Path(scratch), given.out)


def read_cells(path: Path) -> list[dict[str, Any]]:
    """Reads the cells of a file; none where it does not exist."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def key(cell: Mapping[str, Any]) -> tuple[str, int, str, str]:
    """Identifies a cell by task, seed, backbone and recipe."""
    return cell["task"], cell["seed"], cell["backbone"], cell["recipe"]


def _cells(trial: Trial, seed: int, wanted: list[tuple[str, str]], data: Path, scratch: Path, out: Path) -> None:
    """Computes cells of one draw of a task, and appends each to the file."""
    trial.task.register_backbones()
    drawn = draw(trial, data, scratch, seed)
    splits = parts_of(trial, drawn, seed)
    count = len(drawn.pool.samples)
    for number, (backbone, name) in enumerate(wanted):
        started = time.process_time()
        config = config_of(trial, backbone, name, count, seed)
        value = score(trial, splits, drawn.pool, config, scratch / str(number))
        cell = {"task": trial.name, "seed": seed, "backbone": backbone, "recipe": name, "value": value}
        cell |= {"cpu_seconds": time.process_time() - started, "pool": count, "test": len(drawn.test.samples)}
        with out.open("a") as stream:
            stream.write(json.dumps(cell) + "\n")
        print(json.dumps(cell), file=sys.stderr, flush=True)


def config_of(trial: Trial, backbone: str, name: str, images: int, seed: int) -> Config:
    """Writes the configuration of a cell."""
    tree = recipe(name, images)
    weights = str(Path(os.environ["MEDTL_WEIGHTS"]) / FILES[backbone])
    tree["backbone"] = {"name": backbone, "weights": weights, **trial.backbone, **tree.get("backbone", {})}
    return validate(Config, {"seed": seed, "data": {"options": dict(trial.options)}, **tree}, origin=trial.name)


def parts_of(trial: Trial, drawn: Draw, seed: int) -> dict[str, Split]:
    """Reads training and validation, split as a run would split the pool, and the test."""
    spec = preflight(trial.task, config_of(trial, next(iter(FILES)), RECIPES[0], 1, seed)).spec
    halves = draw_split(drawn.pool.samples, seed=seed, units=drawn.units)
    # the pool needs no test: its images are for training
    train = np.sort(np.concatenate([halves["train"], halves["test"]]))
    every = np.arange(len(drawn.test.samples))
    return {
        "train": split_of(trial.task, drawn.pool, train, drawn.units, spec, _quiet, "train"),
        "validation": split_of(trial.task, drawn.pool, halves["validation"], drawn.units, spec, _quiet, "validation"),
        "test": split_of(trial.task, drawn.test, every, drawn.test_units, spec, _quiet, "test"),
    }


def score(trial: Trial, splits: Mapping[str, Split], dataset: Dataset, config: Config, folder: Path) -> float:
    """Trains a configuration and measures it on the test by `quality`."""
    experiment = preflight(trial.task, config)
    job = fit(experiment, dataset, splits, folder=folder, progress=_quiet).job
    with torch.no_grad():
        scores = torch.cat(
            [job.network.head(features).cpu() for features in experiment.strategy.features(job, splits["test"])]
        )
    probabilities = torch.softmax(scores.double(), dim=1).numpy()
    return quality(probabilities, splits["test"].labels, np.array(positive_classes(trial.task, dataset.classes)))


def quality(probabilities: NDArray[np.float64], labels: NDArray[np.int64], positive: NDArray[np.bool_]) -> float:
    """Measures the AUC of the positive event where the task has one, else the accuracy."""
    if positive.any() and not positive.all():
        return float(roc_auc_score(positive[labels], probabilities[:, positive].sum(axis=1)))
    return float((probabilities.argmax(axis=1) == labels).mean())


def _quiet(*_: object) -> None:
    pass


if __name__ == "__main__":
    main()
