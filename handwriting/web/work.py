"""What the workers of `handwriting serve` do: judge drawings and pictures, read pages, keep what is shown."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from handwriting.inputs import judgeable
from handwriting.page.reading import read_item
from shared.io.atomic import write_bytes, write_json
from shared.prediction.answer import Answer
from shared.task import Item
from shared.web.judging import ANSWERS, Judge

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[..., None]

PAGE, CHARACTER = KINDS = "page", "character"
SHOWN_SIDE = 2000
"""Pixels of the longer side of a picture that is shown: more than a screen has, and few bytes of a photograph."""
DRAWING = "drawing"
SIZES = "sizes.json"
"""Rows and columns of each straightened page, in which its boxes are told."""


class CharacterWork(Judge):
    """The work of one worker; see `shared.web.workers`."""

    def drawing(self, data: bytes, tell: Tell) -> dict[str, Any]:
        """Judges the picture of one character.

        Args:
            data: The bytes of a picture file.
            tell: Is not needed.

        Returns:
            What `predict --json` tells.
        """
        return self.predictor.assess(judgeable(DRAWING, data)).to_json(self.task)

    def judge(self, files: Path, results: Path, kind: str, tell: Tell) -> None:
        """Judges all pictures of an upload.

        Args:
            files: What was uploaded.
            results: Folder for what was found.
            kind: `PAGE`, or `CHARACTER` where each picture shows one.
            tell: Is called with how far it is.
        """
        if kind == PAGE:
            self._read_pages(files, results, tell)
            return

        def keep(index: int, item: Item, answer: Answer) -> None:
            if item.slices:
                write_bytes(results / picture_name(index), _png(item.slices[0]))

        self.judge_all(files, results, keep, tell)

    def _read_pages(self, files: Path, results: Path, tell: Tell) -> None:
        tell("cutting the page")
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
            tell(f"{index + 1} read")
        write_json(results / SIZES, sizes)
        write_json(results / ANSWERS, answers)


def picture_name(index: int) -> str:
    """The file of an item's picture: a page as it was straightened, a character as it came."""
    return f"picture-{index:04d}.png"


def _png(pixels: NDArray[np.float32]) -> bytes:
    """The picture for a browser, its darkest value black and its lightest white."""
    low, high = float(pixels.min()), float(pixels.max())
    levels = np.rint((pixels - low) * (255 / (high - low if high > low else 1.0))).astype(np.uint8)
    image = PillowImage.fromarray(levels)
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
