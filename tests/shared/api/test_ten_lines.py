"""Train, predict, compare and adapt in ten lines, as the documents show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Draw

TINY = {
    "backbone": {"name": "convnet_small", "weights": "random", "size": 32, "layers": ["block2"], "pooling": "avg_2x2"},
    "strategy": {
        "name": "finetune",
        "augmentation": "none",
        "batch_size": 8,
        "phases": [{"epochs": 6, "train": "all", "lr_head": 0.01, "lr_backbone": 0.003}],
    },
}
"""Settings with which a training takes seconds."""
LINES = """
import handwriting as hw

run = hw.train(data="letters", seed=1, settings=settings)
accuracy = run.metrics["accuracy"]
answers = run.predict("others/digit_0")
plan = {"name": "pools", "base": settings, "backbones": {"small": {}}, "strategies": strategies}
table = hw.compare(plan, data="letters")
rows = table.rows
adapted = hw.adapt(source="letters", target="others", settings=settings, strategies="adabn", rule="entropy")
kept = adapted.kept.predict("others/digit_0/000.png")
"""
STRATEGIES = {"finetune": {}, "probe": {"strategy": {"name": "linear_probe"}}}


@pytest.mark.slow
def test_ten_lines_train_predict_compare_and_adapt(
    draw_characters: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_characters(Path("letters"), each=16)
    draw_characters(Path("others"), each=12, seed=1)
    found: dict[str, Any] = {"settings": TINY, "strategies": STRATEGIES}
    assert len([line for line in LINES.splitlines() if line]) <= 10
    exec(LINES, found)
    assert 0 <= found["accuracy"].low <= found["accuracy"].value <= found["accuracy"].high <= 1
    assert found["accuracy"].n > 0
    assert len(found["answers"]) == 12
    assert [row["strategy"] for row in found["rows"]] == ["finetune", "probe"]
    assert not found["table"].failed
    assert 0 <= found["rows"][0]["accuracy"] <= 1
    assert found["table"].report.is_file()
    assert found["adapted"].report.is_file()
    assert found["kept"][0].model == "kept"
    for name in ("run", "answers", "table", "adapted", "kept"):
        assert found[name]._repr_html_()
