"""Measures the regret of advice: the test score of the advised run against the best cell of the full comparison.

    python -m benchmarks.regret_cells CELLS.jsonl --seeds 0
    python -m benchmarks.advise_regret ADVICE.jsonl CELLS.jsonl... [--tasks NAME...] [--seeds 0] [--linear]

Advice sees only the pool of a draw; its configuration is then trained and tested as the cells were. Needs MEDTL_DATA
and MEDTL_WEIGHTS. Tasks in ADVICE.jsonl are not computed again; without new tasks only the table is printed. With
`--linear`, only the choice among linear heads is measured: nothing is fine-tuned, and such cells do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.regret_cells import FILES, RECIPES, config_of, parts_of, read_cells, score
from benchmarks.regret_tasks import HELD, TUNED, Draw, Trial, draw
from shared.experiments.advice.advise import advise_on
from shared.experiments.advice.candidates import best_linear, depth_profiles, linear_candidates
from shared.experiments.advice.pool import Pool
from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO, recipe
from shared.experiments.advice.setting import Setting
from shared.models.local_weights import LocalWeights
from shared.pipeline.preflight import preflight

POINTS = 100
LINEAR = (PROBE, PROBE_AUTO)


def main() -> None:
    """Runs advice on tasks that have none yet, and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("cells", type=Path, nargs="+")
    parser.add_argument("--tasks", nargs="*", default=[trial.name for trial in (*TUNED, *HELD)])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--linear", action="store_true", help="linear heads alone; keep its ADVICE.jsonl apart")
    given = parser.parse_args()
    torch.set_num_threads(1)
    done = {(one["task"], one["seed"]) for one in read_cells(given.out)}
    for seed in given.seeds:
        for trial in (*TUNED, *HELD):
            if trial.name in given.tasks and (trial.name, seed) not in done:
                found = _linear(trial, seed) if given.linear else _advised(trial, seed)
                with given.out.open("a") as stream:
                    stream.write(json.dumps(found) + "\n")
                print(json.dumps(found), file=sys.stderr, flush=True)
    cells = [cell for path in given.cells for cell in read_cells(path)]
    for line in table(read_cells(given.out), cells, LINEAR if given.linear else RECIPES):
        print(line)


def _linear(trial: Trial, seed: int) -> dict[str, Any]:
    """Advises a linear head on one draw of a task, and tests it."""
    with _setting(trial, seed) as (drawn, setting, backbones, scratch):
        one = best_linear(linear_candidates(setting, depth_profiles(setting, backbones)))
        sections = recipe(PROBE, setting.pool.images) | {
            "backbone": {"layers": list(one.layers), "pooling": one.pooling}
        }
        config = setting.config_for(one.backbone, sections)
        value = score(trial, parts_of(trial, drawn, seed), drawn.pool, config, scratch / "advised")
    chosen = f"{one.recipe} ({' + '.join(one.layers)} {one.pooling})"
    found = {"task": trial.name, "seed": seed, "backbone": one.backbone.name, "recipe": chosen, "value": value}
    return found | {"expected": one.value}


@contextmanager
def _setting(trial: Trial, seed: int) -> Iterator[tuple[Draw, Setting, list[LocalWeights], Path]]:
    """Draws a task; yields the draw, the setting in which advice measures it, the backbones and a scratch folder."""
    trial.task.register_backbones()
    backbones = [LocalWeights(name, str(Path(os.environ["MEDTL_WEIGHTS"]) / file)) for name, file in FILES.items()]
    with tempfile.TemporaryDirectory() as scratch:
        drawn = draw(trial, Path(os.environ["MEDTL_DATA"]), Path(scratch), seed)
        base = config_of(trial, backbones[0].name, PROBE, len(drawn.pool.samples), seed)
        setting = Setting.read(preflight(trial.task, base), _pool(drawn), lambda *_: None)
        yield drawn, setting, backbones, Path(scratch)


def _advised(trial: Trial, seed: int) -> dict[str, Any]:
    """Advises on one draw of a task, and tests the advised run."""
    with _setting(trial, seed) as (drawn, setting, backbones, scratch):
        started = time.process_time()
        tree, config = advise_on(setting, backbones)
        seconds = time.process_time() - started
        # the images of the test were read by `draw` for copies; advice was given none of them
        value = score(trial, parts_of(trial, drawn, seed), drawn.pool, config, scratch / "advised")
    advised = tree["advised"]
    return {
        "task": trial.name,
        "seed": seed,
        "backbone": advised["name"],
        "recipe": advised["recipe"],
        "value": value,
        "expected": [tree["expected"][key] for key in ("value", "low", "high")],
        "gains": {one["name"]: one["gain"] for one in tree["candidates"] if one["recipe"] == FINETUNE},
        "linear": {f"{one['name']} {one['recipe']}": one["value"] for one in tree["candidates"]},
        "scenario": tree["scenario"],
        "transferability": {one["name"]: [one["log_me"], one["h_score"]] for one in tree["backbones"]},
        "cpu_seconds": seconds,
    }


def _pool(drawn: Draw) -> Pool:
    """The pool of a draw, as advice takes it."""
    dataset = drawn.pool
    counts = {name: sum(one.label == name for one in dataset.samples) for name in dataset.classes}
    return Pool(dataset, drawn.units, len(dataset.samples), counts, len(np.unique(drawn.units)), "", ())


def table(
    advice: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]], recipes: Sequence[str] = RECIPES
) -> list[str]:
    """Formats one line for each task, and the mean of the tasks that had no part in setting the rules.

    Values are points (AUC or accuracy times 100), means over the seeds that all cells of the task have. Only cells of
    `recipes` count.
    """
    cells = [cell for cell in cells if cell["recipe"] in recipes]
    lines = [
        f"{'task':14s} {'advised':>8s} {'best':>6s} {'regret':>7s} {'tune all':>9s} {'linear':>7s}  best cell; advised"
    ]
    held = list[tuple[float, float, float]]()
    for trial in (*TUNED, *HELD):
        row = _row(trial.name, advice, cells, recipes)
        if row is None:
            continue
        value, best, regret, names = row
        lines.append(
            f"{trial.name:14s} {value:8.1f} {best:6.1f} {regret[0]:7.1f} {regret[1]:9.1f} {regret[2]:7.1f}  {names}"
        )
        if trial in HELD:
            held.append(regret)
    if held:
        means = np.mean(held, axis=0)
        lines.append(f"{f'mean of {len(held)} held':14s} {'':15s} {means[0]:7.2f} {means[1]:9.2f} {means[2]:7.2f}")
    return lines


def _row(
    name: str, advice: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]], recipes: Sequence[str]
) -> tuple[float, float, tuple[float, float, float], str] | None:
    """Computes for a task the advised value, the best cell, and the regrets of advice, fine-tuning and linear heads.

    Always fine-tuning (NaN where nothing is fine-tuned), and always a linear head on the default layer, are given the
    better of the backbones.
    """
    own = [cell for cell in cells if cell["task"] == name]
    given = {one["seed"]: one for one in advice if one["task"] == name}
    columns = {(cell["backbone"], cell["recipe"]) for cell in own}
    values = {(cell["backbone"], cell["recipe"], cell["seed"]): POINTS * cell["value"] for cell in own}
    seeds = [seed for seed in given if all((*column, seed) in values for column in columns)]
    if not seeds or {column[1] for column in columns} != set(recipes):
        return None
    means = {column: float(np.mean([values[*column, seed] for seed in seeds])) for column in columns}
    value = float(np.mean([POINTS * given[seed]["value"] for seed in seeds]))
    best = max(means, key=lambda column: means[column])
    always = [
        max((mean for column, mean in means.items() if column[1] == one), default=np.nan) for one in (FINETUNE, PROBE)
    ]
    # advice may choose a layer that no cell of the comparison has, and so be better than all of them
    regrets = (means[best] - value, means[best] - always[0], means[best] - always[1])
    names = ", ".join(f"{given[seed]['backbone']} x {given[seed]['recipe']}" for seed in seeds)
    return value, means[best], regrets, f"{' x '.join(best)}; {names}"


if __name__ == "__main__":
    main()
