"""Rules on the class scores that runs recorded after each epoch; no network is trained here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.adaptation.criteria import (
    REVERSE_RULE,
    Run,
    bootstrap_gain,
    oracle_epoch,
    oracle_note,
    score_run,
    setting_rules,
)
from shared.adaptation.target import EPOCHS_FOLDER

COUNT = 120


def _run(root: Path, right: tuple[float, ...], seed: int, *, extra: bool = False) -> Run:
    """A run with the given accuracy after each epoch; its predictions are the more confident the more are right."""
    random, labels = np.random.default_rng(seed), np.arange(COUNT) % 2
    folder = root / EPOCHS_FOLDER
    folder.mkdir(parents=True)
    tree = {"labels": labels.tolist(), "domains": ["x"] * COUNT, "units": list(range(COUNT))}
    tree |= {"series": [str(i) for i in range(COUNT)], "groups": [str(i) for i in range(COUNT)]}
    tree |= {"positions": [""] * COUNT, "alone": [True] * COUNT}
    for part in ("validation", "target", "test"):
        (folder / f"{part}.json").write_text(json.dumps(tree))
        for epoch, share in enumerate(right):
            answers = np.where(random.random(COUNT) < share, labels, 1 - labels)
            sureness = 4.0 * share * random.uniform(0.8, 1.2, (COUNT, 1))
            np.save(folder / f"{epoch:03d}-{part}.npy", sureness * np.eye(2)[answers])
        np.save(folder / f"features-{part}.npy", np.eye(2)[labels].astype(np.float16))
    history = [{"phase": 1, "epoch": i + 1, "validation_score": share} for i, share in enumerate(right)]
    layer_rows = [{"layers": ["block1"], "accuracy": 1.0}]
    lines = layer_rows + (history[:-1] if extra else history)
    (root / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    hits = random.random(COUNT) < right[-1]
    (root / "reverse.json").write_text(json.dumps({"hits": hits.tolist(), "accuracy": float(hits.mean())}))
    return Run.read(root.name, root)


def test_the_kept_epoch_is_the_best_by_the_rule_or_what_followed_on_training(tmp_path: Path) -> None:
    """Rows of a layer search or a linear probe before training are no epochs."""
    assert _run(tmp_path / "a", (0.5, 0.9, 0.7), 0).kept == 1
    assert _run(tmp_path / "b", (0.9, 0.5, 0.7), 0, extra=True).kept == 2


@pytest.mark.parametrize("rule", setting_rules())
def test_every_rule_prefers_the_run_that_is_better_and_more_confident(rule: str, tmp_path: Path) -> None:
    good, bad = _run(tmp_path / "good", (0.5, 0.95), 1), _run(tmp_path / "bad", (0.5, 0.6), 2)
    gain, interval = bootstrap_gain(good, bad, rule)
    assert gain == pytest.approx(score_run(good, rule) - score_run(bad, rule))
    assert gain > 0
    assert interval is not None
    assert interval[0] < gain < interval[1]


def test_a_higher_level_gives_a_wider_interval(tmp_path: Path) -> None:
    good, bad = _run(tmp_path / "good", (0.5, 0.95), 1), _run(tmp_path / "bad", (0.5, 0.6), 2)
    (_, narrow), (_, wide) = (bootstrap_gain(good, bad, REVERSE_RULE, level=level) for level in (0.7, 0.95))
    assert narrow is not None
    assert wide is not None
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_run_is_not_better_than_itself(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", (0.5, 0.8), 3)
    gain, interval = bootstrap_gain(run, run, REVERSE_RULE)
    assert gain == 0
    assert interval is None or interval[0] <= 0


def test_the_note_names_the_epoch_that_the_oracle_would_have_kept(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", (0.55, 0.95, 0.7), 4)
    history = tuple({"validation_score": value} for value in (1, 2, 3))
    note = oracle_note(replace(run, history=history), "log_likelihood", "mars")
    assert note.startswith("Target mars: log_likelihood kept epoch 3 without its labels")
    assert "as an oracle, would have kept epoch 2 (balanced accuracy on its validation 0.9" in note


def test_the_oracle_may_prefer_another_epoch_than_the_rule(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", (0.55, 0.95, 0.7), 4)
    assert oracle_epoch(run, "balanced_accuracy")[0] == 1
    assert oracle_epoch(run, "balanced_accuracy")[1] > 0.85


def test_a_run_wins_nothing_by_larger_scores(tmp_path: Path) -> None:
    """The source's validation gives the temperature, so that scores three times as large are the same answers."""
    run, louder = _run(tmp_path / "run", (0.8,), 5), _run(tmp_path / "louder", (0.8,), 5)
    for path in (tmp_path / "louder" / EPOCHS_FOLDER).glob("000-*.npy"):
        np.save(path, 3 * np.load(path))
    for rule in ("entropy", "mutual_information"):
        assert score_run(louder, rule) == pytest.approx(score_run(run, rule), abs=1e-3)
    assert louder.temperature == pytest.approx(3 * run.temperature, rel=1e-3)
