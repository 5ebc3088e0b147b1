"""The table of `make bench`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as table
from benchmarks import certificates
from benchmarks.finetune_peers import interval
from benchmarks.rubbish import CAUGHT, catching
from benchmarks.rubbish_images import CHOOSING, SHOWING, coarse_noise, gradient, screen, shapes, text, view, white_noise
from benchmarks.side_by_side import Measured, Times, timed
from shared.evaluation.decision.aggregation import Aggregation


class _Module:
    def __init__(self, *measured: Measured | str) -> None:
        self.measured = measured

    def measure(self) -> object:
        if not self.measured:
            raise RuntimeError("no such thing")
        return self.measured[0] if isinstance(self.measured[0], str) else self.measured


def test_every_goal_is_judged_and_one_that_breaks_off_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick, slow = Times(1.0, 4.0), Times(2.0, 5.0)
    modules = {
        "benchmarks.bench_extraction": _Module(
            Measured("features", slow, "bare", quick, ">= 0.75", "wall"),
            Measured("again", slow, "bare", quick, ">= 0.75"),
        ),
        "benchmarks.bench_cold_torch": _Module(Measured("cold", quick, "import", slow, "<= 0.5")),
        "benchmarks.bench_head": _Module(),
        "benchmarks.bench_fixed_extractor": _Module("MEDTL_DATA"),
    }
    monkeypatch.setattr(table.importlib, "import_module", modules.__getitem__)
    monkeypatch.setattr(table, "_machine", lambda: "Measured on a machine.")
    out = tmp_path / "docs" / "table.md"
    names = [name.removeprefix("benchmarks.bench_") for name in modules]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *names, "--out", str(out)])
    assert table.main() == 1
    assert out.read_text().splitlines() == [
        "Measured on a machine.",
        "",
        "| what | CPU s | wall s | beside | CPU s | wall s | ratio | goal |  |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | --- | --- |",
        "| features | 2 | 5 | bare | 1 | 4 | 0.800 (wall) | >= 0.75 | reached |",
        "| again | 2 | 5 | bare | 1 | 4 | 0.500 (cpu) | >= 0.75 | missed |",
        "| cold | 1 | 4 | import | 2 | 5 | 0.500 (cpu) | <= 0.5 | reached |",
        "| head |  |  |  |  |  |  |  | broke off: RuntimeError: no such thing |",
        "| fixed_extractor |  |  |  |  |  |  |  | needs MEDTL_DATA |",
    ]
    assert "missed" in capsys.readouterr().out


def test_processes_that_an_action_starts_count_as_its_processor_time() -> None:
    busy = "sum(range(3_000_000))"
    taken = timed(lambda: subprocess.run([sys.executable, "-c", busy], check=True))
    assert taken.cpu > 0.01


def test_an_unknown_benchmark_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speed"])
    with pytest.raises(SystemExit) as ended:
        table.main()
    assert ended.value.code == 2
    assert "no benchmark speed; there are advise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scene", "most", "least_without"),
    [
        ("patients unknown, 10 slices each", 0.0, 0.07),
        ("best of 20 epochs, balanced accuracy, threshold given", 0.05, 0.1),
        ("best of 20 runs (seeds), threshold given", 0.05, 0.15),
        ("adapt: 6 settings and the source, threshold given", 0.05, 0.07),
    ],
)
def test_certificates_hold_where_they_would_break_without_their_rule(
    scene: str, most: float, least_without: float
) -> None:
    tally = certificates.simulate(scene, 100)
    assert tally.broken / tally.draws <= most
    assert tally.before is not None
    assert tally.before / tally.draws >= least_without


def test_many_series_are_aggregated_as_prediction_aggregates_one() -> None:
    slices = np.random.default_rng(0).random((5, 7))
    for pools, weights in (
        (("neighbours", "top_fifth", "mean"), (0.5, 0.7, 0.1)),
        (("max",), (1.0,)),
    ):
        by = Aggregation(pools, weights, 0.2)
        found = certificates.probabilities(slices, by)
        np.testing.assert_allclose(found, [by.probability(one) for one in slices])


def test_the_interval_of_a_difference_allows_for_divisions_that_share_images() -> None:
    gaps = np.array([0.0, 2.0])  # variance 2, one degree of freedom: Student's 97.5% point is 12.706
    assert interval(gaps) == pytest.approx((1 - 12.706, 1 + 12.706), abs=1e-3)
    margin = 12.706 * (2 * (1 / 2 + 1 / 3)) ** 0.5
    assert interval(gaps, corrected=True) == pytest.approx((1 - margin, 1 + margin), abs=1e-3)
    assert interval(gaps[:1]) is None


def test_rubbish_of_each_kind_counts_alike_however_many_pictures_it_has() -> None:
    many, few = np.linspace(1.0, 2.0, 1000), np.linspace(0.0, 1.0, 10)
    threshold = catching([many, few])
    caught = ((many >= threshold).mean() + (few >= threshold).mean()) / 2
    assert caught >= CAUGHT
    assert threshold == pytest.approx(1 / 9)  # one of the few is half of the tenth that may be missed


def test_no_kind_of_rubbish_both_chooses_a_score_and_shows_it() -> None:
    assert not CHOOSING.keys() & SHOWING.keys()


@pytest.mark.parametrize("draw", [white_noise, coarse_noise, text, screen, shapes, gradient])
def test_drawn_rubbish_varies_and_shows_something(draw: Callable[[np.random.Generator], np.ndarray]) -> None:
    random = np.random.default_rng(0)
    one, other = draw(random), draw(random)
    assert one.dtype == np.float32
    assert np.ptp(one) > 0
    assert not np.array_equal(one, other)
    seen = view(one, random)
    assert (seen.min(), seen.max()) == (0.0, 1.0)
