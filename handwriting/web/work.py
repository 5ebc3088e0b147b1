"""The work of the worker processes of `handwriting serve`: judges drawings and pictures, and reads pages."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from handwriting.inputs import character_item
from handwriting.page.reading import read_item
from shared.io.atomic import write_bytes, write_json
from shared.prediction.answer import Answer
from shared.processes.worker import Report
from shared.task import Item
from shared.web.upload_work import ANSWERS, UploadWork

PAGE, CHARACTER = KINDS = "page", "character"
SHOWN_SIDE = 2000
"""Longer side, in pixels, of a picture that a page shows: more than a screen has, fewer than a photograph."""
DRAWING = "drawing"
SIZES = "sizes.json"
"""File with the rows and columns of each straightened page; boxes of characters are in its pixels."""


class CharacterWork(UploadWork):
    """The work of one worker process; its methods are called through `shared.processes.worker`."""

    def drawing(self, data: bytes, report: Report) -> dict[str, Any]:
        """Judges the picture of one character.

        Args:
            data: The bytes of a picture file.
            report: Not called: one picture has no steps.

        Returns:
            The answer as `predict --json` prints it; that of a damaged picture is a refusal.
        """
        return self.predictor.assess(character_item(DRAWING, data)).to_json(self.task)

    def judge(self, files: Path, results: Path, kind: str, report: Report) -> None:
        """Judges all pictures of an upload, and writes answers and pictures into `results`.

        Args:
            files: Folder of the uploaded files.
            results: Folder for the results.
            kind: `PAGE`, or anything else where each picture shows one character.
            report: Called with the progress in words.
        """
        if kind == PAGE:
            self._read_pages(files, results, report)
            return

        def keep(index: int, item: Item, answer: Answer) -> None:
            if item.slices:
                write_bytes(results / picture_name(index), _png(item.slices[0]))

        self.judge_all(files, results, keep, report)

    def _read_pages(self, files: Path, results: Path, report: Report) -> None:
        report("cutting the page")
        answers, sizes = [], []
        for index, (item, name) in enumerate(self.items(files)):
            tree, page = read_item(item, self.predictor)
            tree["input"] = name
            if page is not None:
                write_bytes(results / picture_name(index), _png(page.picture))
            elif item.slices:
                write_bytes(results / picture_name(index), _png(item.slices[0]))
            answers.append(tree)
            sizes.append(page.picture.shape if page is not None else (0, 0))
            report(f"{index + 1} read")
        write_json(results / SIZES, sizes)
        write_json(results / ANSWERS, answers)


def picture_name(index: int) -> str:
    """Returns the file name of an item's picture: a straightened page, or a character as it was uploaded.

    Args:
        index: Number of the item, from 0.
    """
    return f"picture-{index:04d}.png"


def _png(pixels: NDArray[np.float32]) -> bytes:
    """Encodes a picture as PNG for a browser, its darkest value black and its lightest white."""
    low, high = float(pixels.min()), float(pixels.max())
    levels = np.rint((pixels - low) * (255 / (high - low if high > low else 1.0))).astype(np.uint8)
    image = PillowImage.fromarray(levels)
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
