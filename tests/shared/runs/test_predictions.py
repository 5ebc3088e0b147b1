"""What a run said of each image is read back as it was written, with or without sizes of findings."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from shared.evaluation.finding_size import FindingSize
from shared.runs.predictions import FILE, read_predictions, write_predictions
from shared.samples import Grouping, Sample

SAMPLES = [Sample(f"i{i}", "", label="yes", group=f"g{i}", domain="north") for i in range(2)]
ROWS = np.array([[0.25, 0.75], [0.5, 0.5]])


def _write(folder: Path, sizes: list[FindingSize | None]) -> list[dict[str, str]]:
    write_predictions(
        folder,
        ("no", "yes"),
        {"test": SAMPLES},
        {"test": Grouping.of(SAMPLES, [0, 1])},
        {"test": ROWS},
        {"test": np.array([0.1, 0.2])},
        {"test": sizes},
    )
    with (folder / FILE).open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("sizes", [[None, None], [FindingSize(0.0125, 310.5), None], [None, FindingSize(0.5, None)]])
def test_sizes_change_nothing_of_what_is_read_back(tmp_path: Path, sizes: list[FindingSize | None]) -> None:
    _write(tmp_path, sizes)
    found = read_predictions(tmp_path)
    np.testing.assert_array_equal(found.probabilities, ROWS)
    assert (found.predicted, found.domains) == (("yes", "no"), ("north", "north"))


def test_sizes_are_kept_where_one_is_known(tmp_path: Path) -> None:
    assert "mask_share" not in _write(tmp_path, [None, None])[0]
    first, second = _write(tmp_path, [FindingSize(0.0125, 310.5), None])
    assert (first["mask_share"], first["mask_mm2"]) == ("0.0125", "310.5")
    assert (second["mask_share"], second["mask_mm2"]) == ("", "")
