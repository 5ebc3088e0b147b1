"""What is kept of data is read again, and computed again where the file is damaged or something else is asked."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shared import ImageTask
from shared.data.remembered import Arrays, remembered, remembered_flags
from shared.samples import Sample


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


class _Counted:
    """Counts how often it computes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Arrays:
        self.count += 1
        return {"numbers": np.arange(500)}


def _ask(compute: _Counted, content: str = "data", facts: object = None) -> list[int]:
    samples = [Sample(id="a", source="a.png")]
    found = remembered("kinds", ImageTask("flowers"), content, samples, facts, compute)
    numbers: list[int] = found["numbers"].tolist()
    return numbers


def test_it_is_computed_once_for_the_same_data_and_facts() -> None:
    compute = _Counted()
    assert _ask(compute) == _ask(compute) == list(range(500))
    assert compute.count == 1
    _ask(compute, content="other data")
    _ask(compute, facts={"limit": 2})
    assert compute.count == 3


@pytest.mark.parametrize("kept", [0, 10, 0.5, -5])
def test_a_file_that_was_cut_off_is_computed_again(cache: Path, kept: float) -> None:
    compute = _Counted()
    _ask(compute)
    (file,) = cache.rglob("arrays.npz")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole)) if kept == 0.5 else int(kept)])
    assert _ask(compute) == _ask(compute) == list(range(500))
    assert compute.count == 2


def test_a_file_with_another_byte_is_computed_again(cache: Path) -> None:
    compute = _Counted()
    _ask(compute)
    (file,) = cache.rglob("arrays.npz")
    content = bytearray(file.read_bytes())
    content[400] ^= 255
    file.write_bytes(content)
    assert _ask(compute) == list(range(500))
    assert compute.count == 2


def _flags(keys: str, asked: list[str], content: str = "data") -> list[bool]:
    """The flags of letters, true of vowels; `asked` gets the letters that were looked at."""

    def compute(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        asked.append("".join(keys[i] for i in rows))
        return np.array([keys[i] in "aeiou" for i in rows])

    return remembered_flags("letters", ImageTask("flowers"), content, keys, compute).tolist()


def test_flags_are_computed_once_however_they_are_divided() -> None:
    asked: list[str] = []
    assert _flags("abc", asked) == [True, False, False]
    assert _flags("ecba", asked) == [True, False, False, True]
    assert _flags("ba", asked) == [False, True]
    assert asked == ["abc", "e"]
    assert _flags("a", asked, content="other data") == [True]
    assert asked == ["abc", "e", "a"]


def test_flags_of_a_file_that_was_cut_off_are_computed_again(cache: Path) -> None:
    asked: list[str] = []
    _flags("abc", asked)
    (file,) = cache.rglob("arrays.npz")
    file.write_bytes(file.read_bytes()[:-5])
    assert _flags("ab", asked) == [True, False]
    assert asked == ["abc", "ab"]
