"""`report` without a run lists all reports on one page."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from handwriting.cli import app
from shared.runs.record import ModelRecord
from tests.shared.runs.test_certificate import record_of, write_run


def test_without_a_run_every_report_is_linked_on_one_page(model_record: ModelRecord) -> None:
    Path("runs").mkdir()
    run = write_run(Path("runs/first"), record_of(model_record, 5))
    (Path("runs/begun")).mkdir()
    Path("runs/begun/config.yaml").touch()
    found = CliRunner().invoke(app, ["report"])
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines() == ["1 report", "index: runs/index-handwriting.html"]
    page = Path("runs/index-handwriting.html").read_text(encoding="utf-8")
    assert f'href="{run.name}/report.html"' in page
    assert "runs/begun is not finished" in page


def test_where_nothing_was_trained_it_says_so() -> None:
    found = CliRunner().invoke(app, ["report"])
    assert found.exit_code == 2
    assert found.stderr == "error: there is no folder runs here; name a RUN, or train a model first\n"
