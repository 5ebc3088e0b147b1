"""The work of a web worker that both applications share: opens the run, reads an upload, and judges it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from shared.errors import InputRefused
from shared.io.archives import archive_bytes, is_archive
from shared.io.atomic import write_json
from shared.prediction.answer import Answer, renamed
from shared.prediction.predictor import Predictor
from shared.processes.worker import Report
from shared.task import Item, Task

MAX_UNPACKED_BYTES = 4 << 30
"""Bytes to which all archives of one upload may unpack together: twice the largest upload."""
MAX_MEMBERS = 20_000
MAX_ITEMS = 500
"""Series, pictures and volumes in one upload."""
ANSWERS = "answers.json"


@dataclass(frozen=True)
class UploadWork:
    """The work of a process that judges uploads with a run, which is opened in the process that first needs it.

    Attributes:
        task: The application.
        run: Folder of a finished run.
        threads: Number of threads of the network.
        chosen_among: Number of models among which the run was chosen on its validation.
    """

    task: Task
    run: Path
    threads: int
    chosen_among: int = 1

    @cached_property
    def predictor(self) -> Predictor:
        """The opened run."""
        return Predictor(
            self.run, self.task.name, self.task.preprocess, threads=self.threads, chosen_among=self.chosen_among
        )

    def items(self, files: Path) -> Iterator[tuple[Item, str]]:
        """Reads every item of an upload.

        Args:
            files: Folder of the uploaded files.

        Yields:
            (item, its name as the user sent it).

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
            yield item, name_in_upload(item.name, files)

    def item(self, files: Path, index: int) -> tuple[Item, str]:
        """Reads one item of an upload again.

        Args:
            files: Folder of the uploaded files.
            index: Number of the item, from 0.

        Returns:
            The item, and its name as the user sent it.

        Raises:
            InputRefused: There is no item of that number.
        """
        for at, (item, name) in enumerate(self.items(files)):
            if at == index:
                return item, name
        raise InputRefused("is not there any more")

    def judge_all(self, files: Path, results: Path, keep: Callable[[int, Item, Answer], None], report: Report) -> None:
        """Judges an upload and writes `ANSWERS`: a list of answers as `predict --json` prints them.

        Args:
            files: Folder of the uploaded files.
            results: Folder for the results.
            keep: Called with (number from 0, item, answer) of each item.
            report: Called with the number of judged items in words.
        """
        report("reading")
        answers: list[dict[str, Any]] = []
        for index, (item, _) in enumerate(self.items(files)):
            answer = self.predictor.assess(item)
            keep(index, item, answer)
            sent = renamed(answer, partial(name_in_upload, files=files))
            answers.append(sent.to_json(self.task))
            report(f"{index + 1} judged")
        write_json(results / ANSWERS, answers)


def name_in_upload(name: str, files: Path) -> str:
    """Returns the name of an item or file as the user sent it, without the server's folder.

    Args:
        name: The name, with the folder in front or within it; or a text that does not name it.
        files: Folder of the uploaded files, which is removed.
    """
    within = name.removeprefix(f"{files}{os.sep}")
    return within if within != name else name.replace(str(files), "upload", 1)


def check_archives(files: Path) -> None:
    """Checks by their directories how much the archives of an upload unpack to, before anything is unpacked.

    Args:
        files: Folder of the uploaded files.

    Raises:
        InputRefused: They unpack to too many bytes or files.
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
