"""The commands `evaluate` and `report`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import medtl
from handwriting.cli import app
from medtl.cli import app as tumours
from shared.io.atomic import read_json
from shared.runs.outside_tests import read_outside_tests
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
    assert report.stdout.startswith("verdict: ")
    assert own.stdout.startswith("verdict: ")
    written, kept = read_json(tmp_path / "evaluation.json"), read_json(tiny_run / "report.json")
    assert written.pop("verdict")[:2] == kept.pop("verdict")[:2]
    assert written == kept
    assert is_one_line(call(app, "evaluate", tmp_path), "is not a run folder")


def test_evaluate_on_other_data_says_what_was_left_out(
    tiny_run: Path, tmp_path: Path, draw_characters: Callable[..., Path]
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    result = call(app, "evaluate", run, draw_characters(tmp_path / "data", each=4, seed=9))
    assert result.exit_code == 0
    assert "0 of 12 images are copies of images in training" in result.stdout
    assert result.stdout.startswith("verdict: few labels: ० 0 has 10 training images of 10 units; the test has 12")
    assert result.stdout.splitlines()[2].startswith("Isolated handwritten characters only")


def test_a_test_on_other_data_is_kept_in_the_run_and_named_by_its_verdict(
    tiny_run: Path, characters: Path, tmp_path: Path, draw_characters: Callable[..., Path]
) -> None:
    run, data = shutil.copytree(tiny_run, tmp_path / "run"), draw_characters(tmp_path / "others", each=4, seed=9)
    assert "outside test: none" in call(app, "report", run).stdout
    assert "no outside test" in call(app, "evaluate", run, characters).stdout  # of its own data
    assert read_outside_tests(run) == {}
    for _ in range(2):
        assert "Kept in" in call(app, "evaluate", run, data).stdout
    ((kept),) = read_outside_tests(run).values()
    assert (kept["data"], kept["left_out"], kept["test"]["n"]) == ("others", 0, 12)
    assert (
        "outside test on others (12 images): the test has 12 images: too few to say" in call(app, "report", run).stdout
    )


def test_what_is_about_other_data_needs_them(tiny_run: Path) -> None:
    run = Path(medtl.__file__).parent / "models" / "brain-mri"
    for words in (("--prevalence", 0.1), ("--miss-cost", 1), ("--known-only",)):
        refused = call(tumours, "evaluate", run, *words)
        assert refused.exit_code == 2
        assert is_one_line(refused, f"{words[0]} needs DATA")
    assert is_one_line(call(app, "evaluate", tiny_run, "nowhere.zip"), "nowhere.zip does not exist; give a folder, zip")
    refused = call(app, "evaluate", tiny_run, "--prevalence", 0.1)  # no character is a positive
    assert refused.exit_code == 2
    assert "unknown option" in refused.stderr
