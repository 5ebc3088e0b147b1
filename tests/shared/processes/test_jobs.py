from __future__ import annotations

from typing import Any

import pytest

from shared.errors import DataError
from shared.processes.jobs import SerialExecutor, WorkItem


def _items() -> list[WorkItem]:
    return [WorkItem(name, len, (name,), gpu=False) for name in ("one", "broken", "three")]


def test_an_error_of_one_item_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(work: Any, name: str, progress: Any) -> int:
        progress("counting", 1, 2, "")
        if name == "broken":
            raise DataError("no such letter")
        return int(work(name))

    monkeypatch.setattr("shared.processes.jobs.run_in_subprocess", here)
    reported: list[tuple[Any, ...]] = []
    found = list(SerialExecutor().run(_items(), lambda *one: reported.append(one)))
    assert [place for place, _ in found] == [0, 1, 2]
    assert (found[0][1], str(found[1][1]), found[2][1]) == (3, "no such letter", 5)
    assert ("items", 2, 3, "three: counting 1/2") in reported
