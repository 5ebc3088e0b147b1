from __future__ import annotations

from pathlib import Path

import pytest

from shared.data.layouts import ImageEntry, Layout, collect, synthetic_mark
from shared.errors import DataError
from shared.samples import Sample


def test_samples_come_in_natural_order_and_all_faults_at_once(tmp_path: Path) -> None:
    paths = ("10.png", "9.png", "9.png", "bad")
    entries = [ImageEntry(f"row {number}", path, "a") for number, path in enumerate(paths, start=2)]

    def samples_of(entry: ImageEntry) -> list[Sample]:
        if entry.path == "bad":
            raise DataError("it is bad")
        return [Sample(f"{entry.path}#{frame}", entry.path, frame=frame) for frame in (1, 0)]

    found = collect(Layout(entries[:2], tmp_path), samples_of)
    assert [sample.id for sample in found] == ["9.png#0", "9.png#1", "10.png#0", "10.png#1"]
    with pytest.raises(DataError) as caught:
        collect(Layout(entries, tmp_path, table="m.csv"), samples_of)
    assert str(caught.value) == "2 faults in m.csv: row 4: it names the same image as row 3; row 5: it is bad"


def test_a_mark_counts_where_it_says_that_the_data_are_synthetic(tmp_path: Path) -> None:
    layout = Layout((), tmp_path)
    assert synthetic_mark(layout, "mark.json") is None
    (tmp_path / "mark.json").write_text('{"synthetic": true, "fonts": 3}')
    assert synthetic_mark(layout, "mark.json") == {"synthetic": True, "fonts": 3}
    (tmp_path / "mark.json").write_text("{")
    with pytest.raises(DataError, match=r"mark\.json is damaged"):
        synthetic_mark(layout, "mark.json")
