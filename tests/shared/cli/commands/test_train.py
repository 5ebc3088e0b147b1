"""The command `train`."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from handwriting.cli import app
from shared.io.atomic import read_json
from shared.runs.folder import locked
from shared.runs.verdict import read_verdict
from tests.shared.cli.calling import call, is_one_line


def test_train_prints_its_results_and_predict_finds_the_run(
    tiny_run: Path, tiny_words: tuple[str, ...], characters: Path
) -> None:
    run = shutil.copytree(tiny_run, Path("runs") / tiny_run.name)  # as the same command made it before
    trained = call(app, "train", *tiny_words)
    assert trained.exit_code == 0, trained.output
    assert list(Path("runs").iterdir()) == [run]
    summary, verdict = read_json(run / "report.json")["summary"], read_verdict(run)
    assert trained.stdout.splitlines() == [*verdict.lines, *summary, f"report: {run / 'report.html'}"]
    judged = call(app, "predict", characters / "digit_0" / "000.png")
    assert judged.exit_code == 0, judged.output
    lines = judged.stdout.splitlines()
    assert lines[0] == f"model: {run} (the only finished run under runs/; another by --model RUN)"
    assert lines[1] == f"fit for: {verdict.short}"
    assert re.fullmatch(r"trained \d{4}-\d\d-\d\d on characters \(dhcd\); classes: ka, digit_0, digit_1", lines[2])
    assert re.fullmatch(r"accepted from a probability of 0\.\d{4}: \d+ of \d+ images of validation .*", lines[3])
    assert re.fullmatch(r".*000\.png: (rejected, likeliest class )?[क०१] (ka|0|1) \([01]\.\d{3}\)", lines[4])
    assert re.fullmatch(r"  likeliest: ([क०१] (ka|0|1) [01]\.\d{3}(, |$)){3}", lines[5])
    assert lines[-1].startswith("Isolated handwritten characters only")


def test_train_takes_a_file_and_words_over_it(tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    again = call(app, "train", tiny_run / "config.yaml", "--out", tiny_run)
    assert again.exit_code == 0, again.output
    assert f"report: {tiny_run / 'report.html'}" in again.stdout
    assert "finished already" in caplog.text
    other = call(app, "train", tiny_run / "config.yaml", "seed=1", "--out", tiny_run)
    assert other.exit_code == 2
    assert is_one_line(other, "another configuration")


def test_a_run_folder_in_use_is_said_in_one_line(tiny_words: tuple[str, ...], tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        result = call(app, "train", *tiny_words, "--out", "run")
    assert result.exit_code == 1
    assert is_one_line(result, "trained by another process")


def test_an_interrupt_is_said_and_exits_130(
    tiny_words: tuple[str, ...], characters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shared.data.partition.audit", interrupt)
    result = call(app, "train", *tiny_words)
    assert result.exit_code == 130
    assert "the same command resumes it" in result.stderr


def test_leaks_are_refused_with_what_can_be_done(
    tiny_words: tuple[str, ...], tmp_path: Path, draw_characters: Callable[..., Path]
) -> None:
    draw_characters(tmp_path / "data" / "Train", each=12, seed=1)
    draw_characters(tmp_path / "data" / "Test", each=5, seed=2)
    shutil.copy(tmp_path / "data/Train/digit_0/000.png", tmp_path / "data/Test/digit_0/000.png")
    words = (*tiny_words, f"data.source={tmp_path / 'data'}")
    refused = call(app, "train", *words, "--out", tmp_path / "a")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[-1].startswith("error: 1 of 15 test images are duplicates")
    assert all(f"data.leaks={rule}" in refused.stderr for rule in ("drop", "keep_test", "allow"))


@pytest.mark.usefixtures("quick_ending")
def test_a_disk_that_fills_up_stops_a_training_and_the_same_command_resumes_it(
    tiny_words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    save, written = torch.save, list[int]()

    def fills_up(state: object, stream: object) -> None:
        save(state, stream)
        written.append(1)
        if len(written) == 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(torch, "save", fills_up)
    words = ("train", *tiny_words, "--out", "run")
    stopped = call(app, *words)
    assert stopped.exit_code == 1
    assert "Traceback" not in stopped.output
    said = "error: run/checkpoint.pt: No space left on device; free space there, or choose another place; the same "
    assert f"{said}command resumes" in stopped.stderr.splitlines()
    assert sorted(path.name for path in Path("run").iterdir()) == [
        ".lock",
        "checkpoint.pt",
        "config.yaml",
        "paths.json",
        "tensorboard",
    ]
    caplog.set_level("INFO")
    resumed = call(app, *words)
    assert resumed.exit_code == 0, resumed.output
    assert "resumed at phase 1" in caplog.text
    assert not Path("run/checkpoint.pt").exists()
