"""What the viewer of `medtl serve` shows of an item: slices, marks of the sides, windows, and the network's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.view import View
from medtl.transforms import crop_box, preprocess
from shared.io.grey import to_grey
from shared.samples import NOT_STATED
from shared.task import Item, Preprocessing

Grey = NDArray[np.float32]

LEVELS = 65535
"""Grey levels of the viewer: as many as 16 bits hold, which is what scanners store at most."""
OPENED_PERCENTILES = (0.5, 99.7)
"""Percentiles of all slices that are black and white at first, as in `medtl.results.slice_picture`."""
MIDDLE_PERCENTILES = (1.0, 99.0)
BRIGHTER, DARKER = 0.6, 1.6
"""Factors by which the first window is made narrower and wider above its black: our choice."""
SAMPLED = 500_000
"""Pixels from which the percentiles are estimated: as good as all of them."""
INPUT_LEVELS = 255
SLICES, INPUTS = "slices.bin", "inputs.bin"


def keep_slices(item: Item, folder: Path) -> dict[str, Any]:
    """Writes the slices of an item as 16-bit grey, and returns what the viewer must know of them.

    Args:
        item: The item, in the view in which it is judged.
        folder: Where `SLICES` is written.

    Returns:
        `slices`, their number; 0, and no more, where there is no stack to scroll through. `rows`, `columns`; `low` and
        `high`, the values in the file's own unit that 0 and 65535 stand for; `windows`, see `windows`; `marks`, the
        sides of the body at the edges, or None; `positions`, in mm along the normal, empty where not known;
        `description`, see `description`.
    """
    greys = [to_grey(pixels) for pixels in item.slices]
    if not greys or any(grey.shape != greys[0].shape for grey in greys):
        return {"slices": 0}
    rows, columns = greys[0].shape
    low, high = min(float(grey.min()) for grey in greys), max(float(grey.max()) for grey in greys)
    scale = LEVELS / (high - low) if high > low else 0.0
    with (folder / SLICES).open("wb") as stream:
        for grey in greys:
            stream.write(np.rint((grey - low) * scale).astype("<u2").tobytes())
    view: View | None = item.view
    return {
        "slices": len(greys),
        "rows": rows,
        "columns": columns,
        "low": low,
        "high": high,
        "windows": windows(greys),
        "marks": None if view is None else view.edges,
        "positions": [one.value for one in item.positions if one.unit == "mm"],
        "description": description(item),
    }


def keep_inputs(item: Item, spec: Preprocessing, folder: Path) -> dict[str, Any]:
    """Writes what the network saw of each slice as 8-bit grey.

    Args:
        item: An item that was judged.
        spec: What it was preprocessed with.
        folder: Where `INPUTS` is written.

    Returns:
        `input_size`, the side in pixels; `crops`, for each slice the square that was kept, in pixels of the slice:
        `top`, `left` and `side`.
    """
    with (folder / INPUTS).open("wb") as stream:
        for pixels in item.slices:
            stream.write(np.rint(preprocess(pixels, spec) * INPUT_LEVELS).astype(np.uint8).tobytes())
    return {"input_size": spec.size, "crops": [asdict(crop_box(pixels, spec)) for pixels in item.slices]}


def windows(greys: Sequence[Grey]) -> dict[str, tuple[float, float]]:
    """Computes the windows that the viewer offers.

    Args:
        greys: At least one slice, float32 [rows, columns], all of one shape.

    Returns:
        The values that are black and white, by the name of the window: `opened`, `full`, `middle`, `brighter`,
        `darker`. A slice of one value has an empty window.
    """
    step = max(1, sum(grey.size for grey in greys) // SAMPLED)
    sampled = np.concatenate([grey.reshape(-1)[index % step :: step] for index, grey in enumerate(greys)])
    full = (min(float(grey.min()) for grey in greys), max(float(grey.max()) for grey in greys))

    def between(percentiles: tuple[float, float]) -> tuple[float, float]:
        low, high = (float(value) for value in np.percentile(sampled, percentiles))
        return (low, high) if high > low else full

    low, high = between(OPENED_PERCENTILES)
    return {
        "opened": (low, high),
        "full": full,
        "middle": between(MIDDLE_PERCENTILES),
        "brighter": (low, low + BRIGHTER * (high - low)),
        "darker": (low, low + DARKER * (high - low)),
    }


def description(item: Item) -> str:
    """Describes a series by its weighting and plane, such as "T1 with contrast agent, axial".

    Series descriptions may name a person: only words that medtl knows are shown, and what is not stated is left out.

    Args:
        item: The item.
    """
    weighting = str(item.acquisition.get("contrast", NOT_STATED))
    plane = None if item.view is None else item.view.plane
    words = [] if weighting == NOT_STATED else [weighting]
    return ", ".join([*words, *([] if plane is None else [str(plane)])])
