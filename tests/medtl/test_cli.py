from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from medtl.cli import app
from shared.strategies import strategy_names

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()


def test_train_names_every_strategy_in_its_help() -> None:
    output = RUNNER.invoke(app, ["train", "--help"]).output
    assert all(name in output for name in strategy_names())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["train", "sede=1"], 2, "sede: unknown key"),
        (["train", "nowhere.yaml"], 2, "nowhere.yaml: cannot be read"),
        (["train", "data.source=/nowhere"], 2, "/nowhere does not exist"),
        (["train", "data.source=.", "backbone.name=resnet19"], 2, "did you mean"),
        (["train", "data.source=.", "strategy.name=finetune", "strategy.epochs=3"], 2, "epochs: unknown key"),
        (["phantom", "out", "--scanners", "atlsa"], 2, "--scanners: unknown name 'atlsa'; did you mean atlas"),
        (
            ["phantom", "out", "--kinds", "glioma,cyst"],
            2,
            "--kinds: unknown name 'cyst'; allowed are glioma, meningioma",
        ),
        (["predict", "x.dcm"], 2, "no finished medtl run"),
        (["predict"], 2, "PATH... is missing"),
    ],
)
def test_a_wrong_call_is_one_line_and_a_code(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, words)
    assert result.exit_code == code, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "0"], "--port: the port 0 is not allowed"),
        (["--port", "70000"], "--port: the port 70000 is not allowed"),
        (["--forward", "ARCHIVE"], "give AE@host:port"),
        (["--ae-title", "MORE_THAN_SIXTEEN_LETTERS"], "1 to 16"),
        (["--series-timeout", "0"], "--series-timeout 0 is not allowed"),
        (["--series-timeout", "nan"], "--series-timeout: nan is not allowed"),
        (["--keep-days", "1"], "give --forward too"),
        (["--keep-days", "-1", "--forward", "A@b:1"], "--keep-days -1 is not allowed"),
        (["--dicomweb", "0"], "--dicomweb: the port 0 is not allowed"),
        (["--model", "nowhere"], "nowhere: no folder, and no run under"),
        ([], "no finished medtl run"),
    ],
)
def test_a_wrong_call_of_listen_is_one_line_before_anything_is_made(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, ["listen", *words])
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert len(result.output.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_serve_shows_the_series_of_a_spool(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "shared.web.serving.run_server", lambda app, access, host, port, say, tls: served.append((host, port))
    )
    words = ["serve", "--model", str(tiny_model), "--port", "0", "--keep-minutes", "5", "--spool", str(tmp_path)]
    refused = RUNNER.invoke(app, words)
    assert refused.exit_code == 2
    assert "is no spool" in refused.stderr
    (tmp_path / "series").mkdir()
    assert RUNNER.invoke(app, words).exit_code == 0
    assert served == [("127.0.0.1", 0)]
