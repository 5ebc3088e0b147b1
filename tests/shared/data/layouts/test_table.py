from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from shared.data.layouts import COLUMNS, find_layout
from shared.data.layouts import table as table_layout
from shared.data.layouts.table import read_table
from shared.errors import DataError
from tests.shared.data.layouts.trees import SEARCH, fill


def test_table_is_found_by_its_own_path_and_in_a_tree(tmp_path: Path) -> None:
    table = fill(tmp_path, "tree/x/1.png") / "tree" / "labels.csv"
    table.write_text("Image;Class;Pen;Other;Domain;Group\nx\\1.png; a ;blue;z;here;\n")
    for source, folder, name in ((tmp_path, "tree/", "tree/labels.csv"), (table, "", "labels.csv")):
        layout = find_layout(source, SEARCH)
        (entry,) = layout.entries
        assert (layout.folder, layout.table) == (folder, name)
        assert (entry.place, entry.path, entry.label, entry.split) == ("row 2", "x/1.png", "a", "")
        assert (entry.cell("ink"), entry.domain, entry.group, entry.cell("other")) == ("blue", "here", "", "")
        assert Path(layout.file(entry.path)).read_bytes() == b"tree/x/1.png"


def test_a_table_comes_before_the_folders_that_it_lies_in(tmp_path: Path) -> None:
    table = fill(tmp_path, "site/a/1.png", "site/b/1.png") / "labels.csv"
    table.write_text("path,label\nsite/a/1.png,b\n")
    assert [(entry.label, entry.folders) for entry in find_layout(tmp_path, SEARCH).entries] == [("b", ())]


def test_several_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 tables \(labels\.csv, manifest\.csv\)"):
        find_layout(fill(tmp_path, "labels.csv", "manifest.csv"), SEARCH)


def test_auxiliary_labels_are_read_under_headings_that_say_so_and_nothing_else_is(tmp_path: Path) -> None:
    table = "path,label,Label: Plane,label:side,patient name\n1.png,a,axial,,Jane\n2.png,b,,left,Jane\n"
    (tmp_path / "labels.csv").write_text(table)
    entries = find_layout(tmp_path / "labels.csv", SEARCH).entries
    assert [dict(entry.auxiliary) for entry in entries] == [{"plane": "axial"}, {"side": "left"}]


def test_a_table_of_absurd_width_takes_no_more_memory_than_it_has_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"path,label" + b"," * 100_000 + b"\n" + b"a.png,b\n" * 20_000  # 2 000 million cells, were they filled up
    tracemalloc.start()
    assert len(read_table(data, COLUMNS)) == 20_000
    assert tracemalloc.get_traced_memory()[1] < 200 << 20
    tracemalloc.stop()
    with pytest.raises(DataError, match=r"has no column path .*; its heading is x{50}") as raised:
        read_table(b"x" * 100_000 + b"\n", COLUMNS)
    assert len(str(raised.value)) < 400
    monkeypatch.setattr(table_layout, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="at most 100 are read"):
        read_table(data, COLUMNS)
