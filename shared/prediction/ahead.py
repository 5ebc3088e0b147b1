"""Inputs are read while the one before them is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from shared.prediction.answer import Answer
from shared.task import Item

MOST_BYTES = 1 << 28
"""Memory of the images of an input up to which the next one is read beside it: 1,024 slices of 256 x 256."""


def assessed(items: Iterable[Item], assess: Callable[[Item], Answer]) -> Iterator[tuple[Item, Answer]]:
    """Judges inputs in a thread of its own, and reads the next one meanwhile.

    Reading stays where it is, for decoders can be stopped in the main thread alone.

    Args:
        items: What is read, one after the other.
        assess: Answers one input.

    Yields:
        Each input with its answer, in their order; of no more than two are the images in memory.

    Raises:
        Exception: What reading or judging raises, at the place of that input.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="judging")
    try:
        before: tuple[Item, Future[Answer]] | None = None
        reading = iter(items)
        while True:
            item, fault = _next(reading)
            if before is not None:
                yield before[0], before[1].result()
            if fault is not None:
                raise fault
            if item is None:
                return
            before = item, pool.submit(assess, item)
            if sum(one.nbytes for one in item.slices) > MOST_BYTES:
                before[1].exception()  # waits until it was judged
    finally:
        pool.shutdown(cancel_futures=True)


def _next(items: Iterator[Item]) -> tuple[Item | None, Exception | None]:
    """The next input, None after the last; or what reading it raises, for the one before it is answered first."""
    try:
        return next(items, None), None
    except Exception as fault:
        return None, fault
