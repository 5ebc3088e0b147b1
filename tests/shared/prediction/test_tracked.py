from __future__ import annotations

from pathlib import Path

from shared.prediction.tracked import tracked
from shared.task import Item, Origin


def test_the_files_of_a_folder_are_counted_as_their_items_are_judged(tmp_path: Path) -> None:
    for name in ("a1", "a2", "a3", "b", "notes.txt"):
        (tmp_path / name).touch()
    series = Item("a", origins=tuple(Origin(f"a{number}") for number in (1, 2, 3)))
    seen = list[tuple[int, int]]()

    items = [series, Item("b", refusal="is damaged")]
    handed_on = tracked(items, [tmp_path], lambda _what, done, total, _note: seen.append((done, total)))
    assert next(handed_on) is series
    assert seen == [(0, 4)]  # it is being judged until the next one is asked for
    assert list(handed_on) == items[1:]
    assert seen == [(0, 4), (3, 4), (4, 4)]


def test_one_file_has_no_progress(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    seen: list[object] = []
    assert len(list(tracked([Item("a.png")], [tmp_path / "a.png"], lambda *given: seen.append(given)))) == 1
    assert seen == []
