"""What a tracker is shown of a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from handwriting.task import TASK
from shared.config.read import load_config
from shared.io.atomic import read_json
from shared.pipeline import tracking
from shared.pipeline.preflight import preflight
from shared.pipeline.train import run
from shared.tracking.base import TrackedRun


class _Heard:
    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.ends: list[bool] = []

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.rows.append((step, dict(values)))

    def close(self, *, finished: bool) -> None:
        self.ends.append(finished)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> _Heard:
    found = _Heard()
    monkeypatch.setattr(tracking, "open_tracker", lambda *_: found)
    return found


@pytest.mark.usefixtures("quick_ending")
def test_every_row_of_the_history_and_every_measure_is_shown(
    tmp_path: Path, tiny_words: tuple[str, ...], heard: _Heard
) -> None:
    words = (
        *tiny_words,
        "strategy={name: finetune, augmentation: none, batch_size: 8, phases: [{epochs: 2, train: all}]}",
    )
    folder = run(TASK, load_config(None, words), root=tmp_path)
    epochs = [(step, row) for step, row in heard.rows if "training/train_loss" in row]
    history = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [
        (number, {f"training/{key}": value for key, value in row.items() if key not in ("phase", "epoch")})
        for number, row in enumerate(history, start=1)
    ]
    report = read_json(folder / "report.json")
    measures = {key: value for _, row in heard.rows for key, value in row.items()}
    assert measures["test/accuracy"] == report["test"]["accuracy"]["value"]
    assert measures["validation/accuracy"] == report["validation"]["accuracy"]["value"]
    assert heard.ends == [True]


@pytest.mark.usefixtures("quick_ending")
def test_a_probe_shows_its_candidates(tmp_path: Path, tiny_words: tuple[str, ...], heard: _Heard) -> None:
    run(TASK, load_config(None, (*tiny_words, "strategy={name: linear_probe}")), root=tmp_path)
    candidates = [(step, row) for step, row in heard.rows if "candidates/penalty" in row]
    assert [step for step, _ in candidates] == list(range(1, len(candidates) + 1))
    assert len(candidates) > 2


def test_a_training_that_fails_ends_its_record_as_unfinished(
    tmp_path: Path, tiny_words: tuple[str, ...], heard: _Heard
) -> None:
    experiment = preflight(TASK, load_config(None, tiny_words))
    with pytest.raises(KeyboardInterrupt), tracking.tracking(experiment, tmp_path):
        raise KeyboardInterrupt
    assert heard.ends == [False]


def test_a_tracker_is_told_no_folder_and_changes_no_name(tiny_words: tuple[str, ...], tiny_run: Path) -> None:
    collections = "data={collections: {north: /mnt/patients/scans.zip}}"
    config = load_config(None, (collections, "backbone.weights=/home/somebody/weights.pth", "track=none"))
    settings = tracking.settings(config)
    assert settings["data.collections"] == "{north: scans.zip}"
    assert settings["backbone.weights"] == "weights.pth"
    assert "track" not in settings
    assert not any("/" in value for value in settings.values())
    assert "track" not in (tiny_run / "config.yaml").read_text()
    assert set(TrackedRun.__dataclass_fields__) == {"name", "task", "settings", "folder"}
