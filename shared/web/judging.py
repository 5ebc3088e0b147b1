"""What the work of every application shares: the run, bounds of an upload, names without the server's folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from shared.errors import InputRefused
from shared.io.archives import archive_bytes, is_archive
from shared.io.atomic import write_json
from shared.prediction.answer import Answer
from shared.prediction.predictor import Predictor
from shared.task import Item, Task

MAX_UNPACKED_BYTES = 4 << 30
"""All archives of one upload together; twice what may be sent."""
MAX_MEMBERS = 20_000
MAX_ITEMS = 500
"""Series, pictures and volumes in one upload."""
ANSWERS = "answers.json"


@dataclass(frozen=True)
class Judge:
    """A run that judges what was uploaded; opened in the process that first needs it.

    Attributes:
        task: The application.
        run: A finished run.
        threads: Of the network.
    """

    task: Task
    run: Path
    threads: int

    @cached_property
    def predictor(self) -> Predictor:
        """The run, open."""
        return Predictor(self.run, self.task.name, self.task.preprocess, threads=self.threads)

    def items(self, files: Path) -> Iterator[tuple[Item, str]]:
        """Everything in an upload, each with the name by which the person knows it.

        Raises:
            InputRefused: An archive unpacks to too much, or there are too many items.
        """
        check_archives(files)
        top = sorted(files.iterdir())
        # Loose files may be the slices of one series: only together, as a folder, are they read as one.
        paths = top if len(top) == 1 else [files]
        for count, item in enumerate(self.task.read_inputs(paths)):
            if count >= MAX_ITEMS:
                raise InputRefused(f"holds more than {MAX_ITEMS} series and pictures; send fewer at a time")
            yield item, known_as(item.name, files)

    def item(self, files: Path, index: int) -> tuple[Item, str]:
        """One of them, read again.

        Raises:
            InputRefused: There is none of that number.
        """
        for at, (item, name) in enumerate(self.items(files)):
            if at == index:
                return item, name
        raise InputRefused("is not there any more")

    def judge_all(
        self, files: Path, results: Path, keep: Callable[[int, Item, Answer], None], tell: Callable[..., None]
    ) -> None:
        """Judges an upload and writes `ANSWERS`: a list of what `predict --json` tells.

        Args:
            files: What was uploaded.
            results: Folder for what was found.
            keep: Is called with each item's number from 0, the item and its answer.
            tell: Is called with how far it is, in words.
        """
        tell("reading")
        answers: list[dict[str, Any]] = []
        for index, (item, name) in enumerate(self.items(files)):
            answer = self.predictor.assess(item)
            keep(index, item, answer)
            answers.append(answer.to_json(self.task) | {"input": name})
            tell(f"{index + 1} judged")
        write_json(results / ANSWERS, answers)


def known_as(name: str, files: Path) -> str:
    """The name of an item without the folder in which this server keeps it."""
    within = name.removeprefix(f"{files}{os.sep}")
    return within if within != name else name.replace(str(files), "upload", 1)


def check_archives(files: Path) -> None:
    """Checks by their directories what the archives of an upload unpack to, before anything is unpacked.

    Raises:
        InputRefused: It is too much.
        DataError: An archive is damaged.
    """
    unpacked = members = 0
    for path in files.rglob("*"):
        if is_archive(path):
            more, count = archive_bytes(path)
            unpacked, members = unpacked + more, members + count
            if unpacked > MAX_UNPACKED_BYTES or members > MAX_MEMBERS:
                raise InputRefused(
                    f"unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB or {MAX_MEMBERS} files; send less at a time"
                )
