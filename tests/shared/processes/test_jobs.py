from __future__ import annotations

from typing import Any

import pytest

from shared.errors import DataError
from shared.processes.jobs import Errand, OneByOne


def _errands() -> list[Errand]:
    return [Errand(name, len, (name,), gpu=False) for name in ("one", "broken", "three")]


def test_what_one_errand_raises_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(work: Any, name: str, progress: Any) -> int:
        progress("counting", 1, 2, "")
        if name == "broken":
            raise DataError("no such letter")
        return int(work(name))

    monkeypatch.setattr("shared.processes.jobs.in_child", here)
    told: list[tuple[Any, ...]] = []
    found = list(OneByOne().run(_errands(), lambda *one: told.append(one)))
    assert [place for place, _ in found] == [0, 1, 2]
    assert (found[0][1], str(found[1][1]), found[2][1]) == (3, "no such letter", 5)
    assert ("errands", 2, 3, "three: counting 1/2") in told
