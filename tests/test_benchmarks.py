"""The table of `make bench`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as table


class _Module:
    def __init__(self, *measured: object) -> None:
        self.measured = measured

    def measure(self) -> object:
        if not self.measured:
            raise RuntimeError("no such thing")
        return self.measured if len(self.measured) > 1 else None


def test_every_goal_is_judged_and_one_that_breaks_off_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = {
        "benchmarks.bench_extraction": _Module("features", 0.97, ">= 0.95"),
        "benchmarks.bench_cold_torch": _Module("cold", 0.40, "<= 0.35"),
        "benchmarks.bench_head": _Module(),
        "benchmarks.bench_fixed_extractor": _Module(None),
    }
    monkeypatch.setattr(table.importlib, "import_module", modules.__getitem__)
    out = tmp_path / "runs" / "bench.md"
    names = [name.removeprefix("benchmarks.bench_") for name in modules]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *names, "--out", str(out)])
    assert table.main() == 1
    assert out.read_text().splitlines() == [
        "| what | ratio | goal |  |",
        "| --- | ---: | --- | --- |",
        "| features | 0.970 | >= 0.95 | reached |",
        "| cold | 0.400 | <= 0.35 | missed |",
        "| head |  |  | broke off: RuntimeError: no such thing |",
        "| fixed_extractor |  |  | needs MEDTL_DATA and MEDTL_WEIGHTS |",
    ]
    assert "missed" in capsys.readouterr().out


def test_an_unknown_benchmark_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speed"])
    with pytest.raises(SystemExit) as ended:
        table.main()
    assert ended.value.code == 2
    assert "no benchmark speed; there are advise" in capsys.readouterr().err
