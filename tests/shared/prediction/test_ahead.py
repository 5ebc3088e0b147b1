"""Inputs are answered in order, and at most one is read ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from shared.prediction import ahead
from shared.prediction.ahead import assessed
from shared.prediction.answer import Answer
from shared.task import Item


def answer(item: Item) -> Answer:
    return Answer(item.name, "model", "assessed")


def items(read: list[str], count: int = 5) -> Iterator[Item]:
    for number in range(count):
        read.append(str(number))
        yield Item(str(number), slices=(np.zeros((4, 4), np.float32),))


def test_answers_come_in_order_and_one_input_is_read_ahead() -> None:
    read: list[str] = []
    for number, (item, found) in enumerate(assessed(items(read), answer)):
        assert item.name == found.input == str(number)
        assert len(read) == min(number + 2, 5)


def test_next_input_is_read_while_one_is_judged() -> None:
    read_two, read = threading.Event(), list[str]()

    def both() -> Iterator[Item]:
        for item in items(read, 2):
            if len(read) == 2:
                read_two.set()
            yield item

    def waits(item: Item) -> Answer:
        assert read_two.wait(20)
        return answer(item)

    assert [found.input for _, found in assessed(both(), waits)] == ["0", "1"]


def test_large_input_is_judged_before_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST_BYTES", 10)
    events: list[str] = []

    def judging(item: Item) -> Answer:
        events.append(f"judged {item.name}")
        return answer(item)

    def reading() -> Iterator[Item]:
        for item in items([], 3):
            events.append(f"read {item.name}")
            yield item

    assert len(list(assessed(reading(), judging))) == 3
    assert events == ["read 0", "judged 0", "read 1", "judged 1", "read 2", "judged 2"]


def test_what_judging_raises_comes_at_its_place() -> None:
    def fails(item: Item) -> Answer:
        if item.name == "1":
            raise ValueError("of the second")
        return answer(item)

    found = assessed(items([]), fails)
    assert next(found)[1].input == "0"
    with pytest.raises(ValueError, match="of the second"):
        next(found)


def test_what_reading_raises_comes_after_the_answer_before_it() -> None:
    def fails() -> Iterator[Item]:
        yield from items([], 2)
        raise OSError("of the third")

    found = assessed(fails(), answer)
    assert [next(found)[1].input, next(found)[1].input] == ["0", "1"]
    with pytest.raises(OSError, match="of the third"):
        next(found)
