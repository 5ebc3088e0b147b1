from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from handwriting.cli import app
from handwriting.task import TASK
from shared.errors import ConfigError, UsageError, WeightsError
from shared.experiments.comparison.plan import Plan, load_comparison
from shared.experiments.comparison.report import write_comparison
from shared.experiments.comparison.run import _measure, _train, run_comparison
from shared.experiments.comparison.text import as_csv, as_latex, as_text, table_body
from shared.io.atomic import read_json, write_json
from shared.prediction.predictor import Predictor
from shared.processes.jobs import Workers, WorkItem
from shared.runs.chosen import choose_run
from shared.runs.folder import finish, is_finished

TINY = """
name: tiny
base:
  data: {source: SOURCE}
  backbone: {name: convnet_small, weights: random, size: 32, layers: [block1], pooling: avg_2x2}
  strategy: {name: linear_probe}
  published:
    convnet_small: {source: Nobody 1900, accuracy: 0.5, note: 'of other images'}
    resnet18: {source: Nobody 1900, accuracy: 0.5}
    vgg16: {source: Nobody 1900, accuracy: 0.5}
backbones:
  small: {}
  lost: {backbone: {name: resnet18, layers: []}, data.source: SOURCE-lost}
strategies:
  frozen: {}
labels_per_class: [3, null]
"""


@pytest.fixture
def plan(tmp_path: Path, characters: Path) -> Plan:
    path = tmp_path / "tiny.yaml"
    characters.with_name(f"{characters.name}-lost").mkdir(exist_ok=True)
    path.write_text(TINY.replace("SOURCE", str(characters)), encoding="utf-8")
    return load_comparison(TASK, path)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, quick_ending: None) -> list[str]:
    """Names of runs that were trained; cells run here."""
    names: list[str] = []
    monkeypatch.setattr("shared.processes.jobs.cores", lambda: 1)
    monkeypatch.setattr("shared.processes.jobs.Worker", lambda *_, **__: _Here(names))
    return names


class _Here:
    """A process that is this one: the ending can be shortened here, and costs are nothing known."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def call(self, _: str, work: Callable[..., Any], given: tuple[Any, ...], *, progress: Any) -> Any:
        if work is _measure:
            costs = {"parameters": 1_000_000, "flops": 2_000_000_000, "images_a_second": 50.0, "latency_ms": 20.0}
            return [costs for _ in given[1]]
        if work is _train:
            self.names.append(given[2].name)
        return work(*given, progress)

    def kill(self) -> None:
        pass

    def close(self) -> None:
        pass


def _quiet(*_: object) -> None:
    pass


def test_cells_are_trained_once_and_a_failed_one_stops_nothing(plan: Plan, trained: list[str], tmp_path: Path) -> None:
    tree = run_comparison(TASK, plan, root=tmp_path / "runs", progress=_quiet)
    few, lost, every, _ = tree["rows"]
    assert [row["labels_per_class"] for row in tree["rows"]] == [3, 3, None, None]
    assert "-lost" in lost["failures"]["0"]
    assert lost["measures"] == {}
    assert few["best"]
    assert [row["chosen_by"] for row in tree["rows"]] == ["folds", "folds", None, None]
    assert any(note.startswith("Few labels: folds of the labelled training images chose") for note in tree["notes"])
    assert "convnet_small with weights random: pretrained on nothing, the weights are random." in tree["notes"]
    assert few["peak_memory_mib"] > 50
    for row in (few, every):
        run = tmp_path / "runs" / "compare" / "tiny" / row["runs"]["0"]
        assert is_finished(run)
        assert row["measures"]["accuracy"]["value"] == read_json(run / "report.json")["test"]["accuracy"]["value"]
    with pytest.raises(UsageError, match="no finished handwriting run"):
        choose_run(tmp_path / "runs", "handwriting", None)
    done = [row["runs"]["0"] for row in (few, every)]
    with pytest.raises(UsageError, match=r"without report and exported network; give --keep "):
        Predictor(tmp_path / "runs" / "compare" / "tiny" / done[0], TASK.name, TASK.preprocess)
    assert set(done) < set(trained)
    trained.clear()
    again = run_comparison(TASK, plan, root=tmp_path / "runs", progress=_quiet)
    assert [row["measures"] for row in again["rows"]] == [row["measures"] for row in tree["rows"]]
    assert len(trained) == 2
    assert not set(done) & set(trained)
    trained.clear()
    kept = run_comparison(TASK, plan, root=tmp_path / "runs", progress=_quiet, keep=True)
    assert set(done) < set(trained)
    assert all((tmp_path / "runs" / "compare" / "tiny" / name / "report.html").is_file() for name in done)
    assert [row["measures"] for row in kept["rows"]] == [row["measures"] for row in tree["rows"]]

    write_comparison(tree, TASK.title, tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    assert read_json(tmp_path / "out" / "compare.json") == tree
    assert page.count('src="data:image/png;base64,') == 2
    assert not any(place in page for place in ("http://", "https://", 'src="/', "<script"))
    assert "Failed" in page
    _check_published(tree)


def _check_published(tree: dict[str, Any]) -> None:
    found, failed, absent = tree["published"]
    measure = tree["rows"][2]["measures"]["accuracy"]
    verdict = "reproduced" if measure["low"] <= 0.5 <= measure["high"] else "not reproduced"
    assert found.startswith("convnet_small: published accuracy 0.5 (Nobody 1900); small x frozen ")
    assert found.endswith(f": {verdict} (of other images)")
    assert "resnet18" in failed
    assert ": not testable here, " in failed
    assert "-lost" in failed
    assert absent.startswith("vgg16: published accuracy 0.5 (Nobody 1900): not testable here, no row")


def test_an_interrupt_stops_every_cell(plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[int] = []

    class Interrupted(_Here):
        def call(self, _: str, work: Callable[..., Any], *given: Any, **__: Any) -> Any:
            if work is not _train:
                return super().call(_, work, *given, progress=_quiet)
            calls.append(1)
            raise KeyboardInterrupt

    monkeypatch.setattr("shared.processes.jobs.Worker", lambda *_, **__: Interrupted([]))
    monkeypatch.setattr("shared.processes.jobs.cores", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        run_comparison(TASK, plan, root=tmp_path, progress=_quiet)
    assert len(calls) == 1


def test_finished_cells_of_data_that_changed_since_are_refused_before_any_is_trained(
    plan: Plan, trained: list[str], tmp_path: Path
) -> None:
    run_comparison(TASK, plan, root=tmp_path, progress=_quiet)
    run = tmp_path / "compare" / "tiny" / trained[0]
    write_json(run / "model.json", read_json(run / "model.json") | {"data_hash": "another"})
    finish(run, "handwriting", whole=False)
    trained.clear()
    with pytest.raises(UsageError, match=f"the data changed since .*{run.name} of its cells"):
        run_comparison(TASK, plan, root=tmp_path, progress=_quiet)
    assert trained == []


def test_cells_between_which_the_data_changed_are_refused(plan: Plan, trained: list[str], tmp_path: Path) -> None:
    def change(what: str, done: int, total: int, note: str) -> None:
        if what == "cells" and done == total:
            run = tmp_path / "compare" / "tiny" / trained[0]
            write_json(run / "model.json", read_json(run / "model.json") | {"data_hash": "another"})
            finish(run, "handwriting", whole=False)

    with pytest.raises(UsageError, match="the data changed between"):
        run_comparison(TASK, plan, root=tmp_path, progress=change)


def test_a_table_is_made_of_finished_cells_whose_data_are_gone(
    plan: Plan, trained: list[str], tmp_path: Path, characters: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = Plan(plan.name, plan.base, plan.cells[:1])
    tree = run_comparison(TASK, few, root=tmp_path, progress=_quiet)
    elsewhere = characters.rename(characters.parent / "elsewhere")
    try:
        again = run_comparison(TASK, few, root=tmp_path, progress=_quiet)
    finally:
        elsewhere.rename(characters)
    assert again["rows"][0]["measures"] == tree["rows"][0]["measures"]
    assert "cannot check that the data are still those of the finished cells" in caplog.text


def test_data_that_do_not_exist_are_reported_without_a_process_for_each_cell(
    trained: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("SOURCE", "nowhere"), encoding="utf-8")
    tree = run_comparison(TASK, load_comparison(TASK, tmp_path / "tiny.yaml"), root=tmp_path, progress=_quiet)
    assert trained == []
    assert all(row["failures"]["0"].startswith("nowhere") for row in tree["rows"])
    assert caplog.text.count("all cells on these data failed: nowhere does not exist") == 1


def test_what_the_data_do_not_have_is_refused_before_the_first_cell(
    trained: list[str], tmp_path: Path, characters: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("SOURCE-lost", "SOURCE").replace("SOURCE", str(characters)))
    plan = load_comparison(TASK, tmp_path / "tiny.yaml", ["data.classes.no_such_folder=leave_out"])
    with pytest.raises(ConfigError, match=r"data\.classes\.no_such_folder: the data have no such folder"):
        run_comparison(TASK, plan, root=tmp_path / "runs", progress=_quiet)
    assert trained == []


def test_more_labels_than_a_class_has_images_are_reported_without_a_process_for_each_cell(
    trained: list[str], tmp_path: Path, characters: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = TINY.replace("SOURCE-lost", "SOURCE").replace("SOURCE", str(characters)).replace("[3, null]", "[3000]")
    (tmp_path / "tiny.yaml").write_text(text)
    tree = run_comparison(TASK, load_comparison(TASK, tmp_path / "tiny.yaml"), root=tmp_path, progress=_quiet)
    assert trained == []
    said = r"class \w+ has \d+ images in all, and 3000 of each class were asked for; leave 3000 out of labels_per_class"
    assert all(re.fullmatch(said, row["failures"]["0"]) for row in tree["rows"])
    assert caplog.text.count("all cells with 3000 labels a class failed: class") == 1


class _Elsewhere:
    """Other machines, which all break down."""

    def run(self, items: Sequence[WorkItem], progress: Any) -> Iterator[tuple[int, Any]]:
        return ((place, UsageError("broke down")) for place, _ in enumerate(items))


@pytest.mark.parametrize(
    ("weights", "workers", "message"),
    [
        ("nowhere.pth", None, "weights 'nowhere.pth': no such file or run"),
        ("nowhere.pth", _Elsewhere(), "weights 'nowhere.pth': no such file or run"),
        ("imagenet", None, "not fetched"),
        ("imagenet", _Elsewhere(), "broke down"),
    ],
)
def test_missing_weights_are_reported_without_a_process_for_each_cell(
    weights: str,
    workers: Workers | None,
    message: str,
    plan: Plan,
    trained: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*_: object) -> None:
        raise WeightsError("not fetched")

    monkeypatch.setattr("shared.models.weights.download_weights", offline)
    plan = load_comparison(TASK, tmp_path / "tiny.yaml", [f"backbone.weights={weights}"])
    tree = run_comparison(TASK, plan, root=tmp_path, progress=_quiet, workers=workers)
    assert trained == []
    assert all(row["failures"]["0"].startswith(message) for row in tree["rows"])


MEASURE = {"value": 0.9, "spread": 0.01, "low": 0.85, "high": 0.94, "n": 100}
ROW = {
    "verdict": "above chance",
    "backbone": "net_a",
    "strategy": "frozen",
    "labels_per_class": 20,
    "chosen_by": "folds",
    "runs": {"0": "run-0", "1": "run-1"},
    "failures": {},
    "measures": {"accuracy": MEASURE},
    "validation": 0.91,
    "seconds": 12.3,
    "peak_memory_mib": 512.0,
    "best": True,
    "against_best": None,
    "costs": {"parameters": 1_500_000, "flops": 2_000_000_000, "images_a_second": 50.0, "latency_ms": 20.0},
    "mean": None,
}
WORSE = ROW | {
    "backbone": "a_much_longer_name",
    "best": False,
    "against_best": {"difference": -0.05, "low": -0.08, "high": -0.02, "by_seed": {}, "p": 0.0001, "p_holm": 0.0002},
}
LOST = ROW | {
    "verdict": "failed",
    "strategy": "fine&tune",
    "runs": {},
    "failures": {"0": "no 100% weights", "1": "no 100% weights"},
    "measures": {},
    "seconds": None,
    "peak_memory_mib": None,
    "best": False,
    "costs": None,
}
TREE = {
    "name": "x",
    "disclaimers": ["Research use only."],
    "notes": [],
    "main": "accuracy",
    "rows": [ROW, WORSE, LOST],
    "published": [],
}


def test_the_table_in_a_terminal_is_aligned_and_reports_a_failure_once() -> None:
    lines = as_text(TREE)
    assert lines[1] == (
        "verdict: net_a x frozen is best by validation with 20 labels a class: accuracy 0.900 [0.850, 0.940] on the "
        "test, above chance; of 1 other on the same images 1 surely worse"
    )
    assert lines[2] == "2 of 6 runs failed"
    heading, *rows = lines[4:8]
    for name, cell in (("strategy", "frozen"), ("accuracy", "0.900 ± 0.010 [0.850, 0.940]"), ("M params", "1.50")):
        assert rows[0].index(cell) == rows[1].index(cell) == heading.index(name)
    assert "* best" in rows[0]
    assert [line.split("  ")[0] for line in (heading, *rows)] == ["verdict", "above chance", "above chance", "failed"]
    assert "-0.050 [-0.080, -0.020]  < 0.001" in rows[1]
    assert [line for line in lines if "weights" in line] == [
        "failed: net_a x fine&tune, 20 labels a class, seed 0, 1: no 100% weights"
    ]


def test_the_table_says_where_validation_kept_its_labels() -> None:
    rows = [ROW | {"chosen_by": chosen_by} for chosen_by in ("folds", "labelled")]
    folds, labelled = table_body(TREE | {"rows": rows})
    assert (folds[1], labelled[1]) == ("20", "20 (validation labelled)")
    assert ",labelled," in as_csv(TREE | {"rows": rows}).splitlines()[2]


def test_the_csv_has_every_number_and_the_latex_no_loose_sign() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(TREE))))
    assert (rows[0]["accuracy"], rows[0]["accuracy_low"], rows[1]["against_best_p"]) == ("0.9", "0.85", "0.0001")
    assert rows[2]["failures"] == "seed 0: no 100% weights; seed 1: no 100% weights"
    table = [line for line in as_latex(TREE).splitlines() if not line.startswith("%")]
    assert r"a\_much\_longer\_name" in "".join(table)
    assert r"fine\&tune" in "".join(table)
    assert {line.replace(r"\&", "").count("&") for line in table if line.endswith(r"\\")} == {12}


def test_a_fault_in_the_file_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("name: x\nbackbones: {}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "c.yaml")])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "strategies: field required" in result.stderr


def test_a_folder_that_cannot_be_written_is_reported_before_anything_is_trained(
    tmp_path: Path, characters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY.replace("SOURCE", str(characters)), encoding="utf-8")
    (tmp_path / "runs").touch()
    monkeypatch.setattr(
        "shared.experiments.comparison.run._train_cells", lambda *_, **__: pytest.fail("cells were begun")
    )
    result = CliRunner().invoke(app, ["compare", "tiny.yaml"])
    assert result.exit_code == 2
    said = "Not a directory; a file has that name where a folder is needed; choose another name"
    assert result.stderr == f"error: runs/compare/tiny: {said}\n"


@pytest.mark.parametrize(("lost", "code"), [(set(), 0), ({1}, 1)])
def test_rows_that_failed_show_in_the_exit_code(
    lost: set[int], code: int, tmp_path: Path, characters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY.replace("SOURCE", str(characters)), encoding="utf-8")
    rows = [{"failures": {"0": "no weights"} if number in lost else {}} for number in range(3)]
    monkeypatch.setattr("shared.experiments.comparison.run.run_comparison", lambda *_, **__: {"rows": rows})
    monkeypatch.setattr("shared.experiments.comparison.report.write_comparison", lambda *_: None)
    monkeypatch.setattr("shared.experiments.comparison.text.as_text", lambda _: ["a table"])
    result = CliRunner().invoke(app, ["compare", "tiny.yaml"])
    assert result.exit_code == code, result.output
    assert result.stdout.splitlines()[-1] == "report: runs/compare/tiny/compare.html"


@pytest.mark.slow
def test_the_command_runs_cells_in_other_processes_and_measures_what_they_cost(
    tmp_path: Path, characters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = TINY.replace("SOURCE", str(characters)).replace("[3, null]", "[3]")
    (tmp_path / "tiny.yaml").write_text(text, encoding="utf-8")
    code = "from handwriting.cli import main; main()"
    called = subprocess.run(
        [sys.executable, "-c", code, "compare", "tiny.yaml"], capture_output=True, text=True, check=False
    )
    assert called.returncode == 1, called.stderr  # for the row that fails
    assert called.stdout.splitlines()[-1] == "report: runs/compare/tiny/compare.html"
    row, lost = read_json(Path("runs/compare/tiny/compare.json"))["rows"]
    assert row["costs"]["latency_ms"] > 0
    assert row["peak_memory_mib"] > 100
    assert list(lost["failures"]) == ["0"]
