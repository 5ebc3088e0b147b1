"""The commands `evaluate` and `report`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from handwriting.cli import app
from medtl.cli import app as tumours
from shared.io.atomic import read_json
from tests.shared.cli.calling import call, is_one_line


def test_evaluate_compares_two_runs(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    result = call(app, "evaluate", tiny_run, "--versus", tiny_run, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "difference +0.000" in result.stdout
    assert read_json(tmp_path / "out" / "evaluation.json")["versus"]["n"] > 0
    both = call(app, "evaluate", tiny_run, characters, "--versus", tiny_run)
    assert both.exit_code == 2
    assert is_one_line(both, "--versus")


def test_evaluate_and_report_print_the_results_of_a_run(tiny_run: Path, tmp_path: Path) -> None:
    report = call(app, "report", tiny_run)
    assert report.exit_code == 0
    assert f"report: {tiny_run / 'report.html'}" in report.stdout
    own = call(app, "evaluate", tiny_run, "--out", tmp_path)
    assert own.exit_code == 0
    assert set(report.stdout.splitlines()[:-1]) <= set(own.stdout.splitlines())
    assert read_json(tmp_path / "evaluation.json") == read_json(tiny_run / "report.json")
    assert is_one_line(call(app, "evaluate", tmp_path), "is not a run folder")


def test_evaluate_on_other_data_says_what_was_left_out(
    tiny_run: Path, tmp_path: Path, draw_characters: Callable[..., Path]
) -> None:
    result = call(app, "evaluate", tiny_run, draw_characters(tmp_path / "data", each=4, seed=9))
    assert result.exit_code == 0
    assert "0 of 12 images were in training" in result.stdout
    assert result.stdout.splitlines()[0].startswith("Isolated handwritten characters only")


def test_what_is_about_other_data_needs_them(tiny_run: Path) -> None:
    for words in (("--prevalence", 0.1), ("--miss-cost", 1), ("--known-only",)):
        refused = call(tumours, "evaluate", tiny_run, *words)
        assert refused.exit_code == 2
        assert is_one_line(refused, f"{words[0]} need DATA")
    refused = call(app, "evaluate", tiny_run, "--prevalence", 0.1)  # no character is a positive
    assert refused.exit_code == 2
    assert "No such option" in refused.stderr
