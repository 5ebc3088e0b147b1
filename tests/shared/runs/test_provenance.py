from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shared.runs.provenance import Provenance, listed
from shared.runs.record import ModelRecord
from tests.shared.runs.making import make_run


def test_a_run_tells_its_name_day_data_and_classes(tmp_path: Path, model_record: ModelRecord) -> None:
    record = replace(model_record, synthetic=False, data_names=("dhcd.zip",), domains=("dhcd", "unknown"))
    run = make_run(tmp_path / "r", record, finished="2026-11-29T23:30:00+00:00")
    found = Provenance.of(run, record)
    assert (found.name, found.finished, found.day) == ("r", "2026-11-29T23:30:00+00:00", "2026-11-29")
    assert found.words == "trained 2026-11-29 on dhcd.zip (dhcd); classes: no, yes"


@pytest.mark.parametrize(
    ("synthetic", "data", "domains", "words"),
    [
        (True, (), ("phantom atlas",), "synthetic images (phantom atlas)"),
        (True, ("made.zip",), ("unknown",), "synthetic images, made.zip"),
        (False, ("north (a.zip)", "south (b.zip)"), ("north", "south"), "north (a.zip), south (b.zip)"),
        (False, ("x (a.zip)", "y (b.zip)"), ("x",), "x (a.zip), y (b.zip) (x)"),
        (False, (), (), "unnamed data"),
    ],
)
def test_synthetic_images_are_always_called_that(
    synthetic: bool, data: tuple[str, ...], domains: tuple[str, ...], words: str
) -> None:
    assert Provenance("r", "2026-01-01T00:00:00+00:00", data, domains, "", ("a",), synthetic).data_words == words


def test_long_lists_are_cut() -> None:
    assert listed([str(number) for number in range(46)]) == "0, 1, 2, 3, 4, 5 and 40 more"
