from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from shared.errors import RunError, UsageError
from shared.runs.chosen import choose_run, default_file, default_run, set_default
from shared.runs.named import find_named
from shared.runs.record import ModelRecord
from tests.shared.runs.making import cut, make_run

TASK = "handwriting"


@pytest.fixture
def runs(tmp_path: Path, model_record: ModelRecord) -> Path:
    """Two finished runs, `b` trained last."""
    make_run(tmp_path / "runs" / "a", model_record, finished="2026-01-01T00:00:00+00:00")
    make_run(tmp_path / "runs" / "b", model_record, finished="2026-01-02T00:00:00+00:00")
    return tmp_path / "runs"


def test_of_several_runs_none_answers_by_being_the_newest(runs: Path) -> None:
    asked = (
        "no model is chosen, and .*runs/ holds 2 finished handwriting runs: b, a; choose one by `handwriting use RUN`"
    )
    with pytest.raises(UsageError, match=asked + ", or name one by --model RUN"):
        choose_run(runs, TASK, None)


def test_the_only_run_answers_unless_a_person_must_choose(runs: Path) -> None:
    shutil.rmtree(runs / "a")
    chosen = choose_run(runs, TASK, None)
    assert chosen.folder == runs / "b"
    assert "the only finished run" in chosen.why
    with pytest.raises(UsageError, match="holds 1 finished handwriting run: b; choose one by `handwriting use RUN`"):
        choose_run(runs, TASK, None, explicit=True)
    set_default(runs, TASK, runs / "b")
    assert choose_run(runs, TASK, None, explicit=True).folder == runs / "b"


def test_the_default_answers_whatever_is_trained_later(runs: Path, model_record: ModelRecord) -> None:
    set_default(runs, TASK, runs / "a")
    make_run(runs / "c", model_record)
    chosen = choose_run(runs, TASK, None)
    assert (chosen.folder, chosen.why) == (runs / "a", "the default")
    assert choose_run(runs, TASK, runs / "b").folder == runs / "b"


def test_each_application_has_a_default_of_its_own(runs: Path, model_record: ModelRecord) -> None:
    heads = make_run(runs / "heads", model_record, task="medtl")
    set_default(runs, "medtl", heads)
    assert default_run(runs, "medtl") == heads
    assert default_run(runs, TASK) is None
    with pytest.raises(UsageError, match="is a run of medtl; `handwriting` cannot use it"):
        set_default(runs, TASK, heads)


def test_a_default_from_elsewhere_is_kept_with_its_full_path(
    runs: Path, tmp_path: Path, model_record: ModelRecord
) -> None:
    other = make_run(tmp_path / "elsewhere" / "run", model_record)
    assert set_default(runs, TASK, other).folder == other
    assert default_run(runs, TASK) == other


def test_a_folder_of_runs_that_was_moved_keeps_its_default(runs: Path, tmp_path: Path) -> None:
    set_default(runs, TASK, runs / "a")
    moved = runs.rename(tmp_path / "moved")
    assert default_run(moved, TASK) == moved / "a"


def test_a_default_that_is_gone_or_trained_again_is_said_with_the_remedy(runs: Path, model_record: ModelRecord) -> None:
    set_default(runs, TASK, runs / "a")
    shutil.rmtree(runs / "a")
    with pytest.raises(
        RunError, match=r"default run .*/a is gone; choose again by `handwriting use RUN`, or name a run"
    ):
        choose_run(runs, TASK, None)
    make_run(runs / "a", model_record, weights_hash="others")
    with pytest.raises(RunError, match="another model than when it was chosen; choose again by `handwriting use RUN`"):
        choose_run(runs, TASK, None)
    cut(runs / "a" / "model.json")
    with pytest.raises(RunError, match=r"a/model\.json cannot be read"):
        choose_run(runs, TASK, None)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"task": "handwriting", "run": "a"}', '{"task": "medtl", "run": "a", "weights_hash": "a"}'],
)
def test_a_damaged_choice_is_said_and_can_be_made_again(runs: Path, content: str) -> None:
    default_file(runs, TASK).write_text(content)
    with pytest.raises(RunError, match="is damaged and names no default run of handwriting; choose again by"):
        choose_run(runs, TASK, None)
    set_default(runs, TASK, runs / "a")
    assert default_run(runs, TASK) == runs / "a"


def test_the_number_of_models_chosen_among_does_not_fall_when_the_others_are_deleted(runs: Path) -> None:
    assert set_default(runs, TASK, runs / "a").chosen_among == 2
    shutil.rmtree(runs / "b")
    assert choose_run(runs, TASK, None).chosen_among == 2
    assert json.loads(default_file(runs, TASK).read_text())["chosen_among"] == 2


def test_without_any_run_the_remedy_is_a_training(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no finished handwriting run under .*; train one \(`handwriting train`\)"):
        choose_run(tmp_path, TASK, None)


def test_where_no_run_is_whole_those_that_are_not_are_counted(runs: Path) -> None:
    (runs / "a" / "done").unlink()
    cut(runs / "b" / "done")
    with pytest.raises(
        UsageError, match=r"no finished .* \(2 unfinished or damaged: `handwriting models`\); train one"
    ):
        choose_run(runs, TASK, None)


def test_many_runs_are_counted_and_not_all_listed(runs: Path, model_record: ModelRecord) -> None:
    for number in range(11):
        make_run(runs / f"r{number:02d}", model_record)
    with pytest.raises(UsageError, match=r"holds 13 finished .* and 3 more \(`handwriting models`\)"):
        choose_run(runs, TASK, None)


def test_a_default_of_the_package_is_kept_by_its_name_and_told_when_it_is_gone(
    runs: Path, tmp_path: Path, model_record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "package" / "models"
    monkeypatch.setattr("shared.runs.named.released_root", lambda _: models)
    come = make_run(models / "small", model_record)
    assert set_default(runs, TASK, come).folder == come
    assert json.loads(default_file(runs, TASK).read_text())["run"] == "small"
    models = models.rename(tmp_path / "elsewhere")  # another environment
    assert default_run(runs, TASK) == models / "small"
    shutil.rmtree(models)
    with pytest.raises(RunError, match=r"default run .*small is gone; choose again by `handwriting use RUN`"):
        default_run(runs, TASK)


def test_a_run_is_named_by_its_path_or_by_its_name_under_the_runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_named(runs, Path("a")) == runs / "a"
    assert find_named(runs, runs / "b") == runs / "b"
    with pytest.raises(UsageError, match=r"^nowhere: no folder, and no run under .*; there are a, b"):
        find_named(runs, Path("nowhere"), TASK)
    with pytest.raises(UsageError, match=r"^x/a: no folder; did you mean a\? there are a, b"):
        find_named(runs, Path("x/a"))
    with pytest.raises(UsageError, match="no finished run is there either: `train` makes one"):
        find_named(runs, Path("nowhere"), "medtl")
    monkeypatch.chdir(runs.parent)
    Path("a").mkdir()
    assert find_named(Path("runs"), Path("a")) == Path("a")


def test_a_name_is_that_of_a_run_before_that_of_a_model_of_the_package(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    for name in ("a", "small"):
        (models / name).mkdir(parents=True)
    monkeypatch.setattr("shared.runs.named.released_root", lambda task: models if task == TASK else None)
    assert find_named(runs, Path("a"), TASK) == runs / "a"
    assert find_named(runs, Path("small"), TASK) == models / "small"
    for other in ("medtl", None):
        with pytest.raises(UsageError, match="small: no folder, and no run under"):
            find_named(runs, Path("small"), other)
