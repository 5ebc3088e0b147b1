"""Counts the tumours that skull stripping cuts: `python -m benchmarks.strip_tumours NAME=DATA NAME=DATA`.

Each collection needs masks. At each width of the rim, a slice with a tumour counts as cut where the marked area loses
more than 40%; `medtl.strip.RIM` was chosen by this table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medtl.strip import without_rim
from medtl.task import TASK
from shared.samples import Sample
from shared.task import Preprocessing

RIMS = (0.06, 0.08, 0.10, 0.12, 0.15)
"""Widths of the rim, as shares of the square root of the head's area."""
MAX_LOSS = 0.4
"""Share of the marked area above which a tumour counts as cut."""
SEED = 0


def main() -> None:
    """Prints a row for each collection: the share of its tumours that each rim cuts, and of slices left whole."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strip_tumours", description=__doc__)
    parser.add_argument("collections", nargs="+", metavar="NAME=DATA", help="name and folder, zip or table with masks")
    parser.add_argument("--size", type=int, default=160, help="side of the preprocessed slice in pixels")
    parser.add_argument("--slices", type=int, default=250, help="most slices of a collection, drawn at random")
    given = parser.parse_args()
    for named in given.collections:
        name, _, path = named.partition("=")
        if not path:
            parser.error(f"{named!r} names no data; allowed is NAME=DATA")
        samples = [one for one in TASK.load(Path(path), options=TASK.default_options).samples if one.mask is not None]
        drawn = np.random.default_rng(SEED).permutation(len(samples))[: given.slices]
        losses = shares_lost([samples[index] for index in drawn], given.size)
        print(f"{name}, {len(losses)} tumours: {summary(losses)}", flush=True)


def shares_lost(samples: Sequence[Sample], size: int) -> NDArray[np.float64]:
    """Measures what each rim takes from each marked finding.

    Args:
        samples: Slices with masks; those whose mask is empty on the preprocessed slice are left out.
        size: Side of the preprocessed slice in pixels.

    Returns:
        float64 [N, len(RIMS)], share of the marked area that is lost, 0 to 1; NaN where the slice is left whole.
    """
    spec = Preprocessing(size, 1, TASK.default_options)
    rows = []
    for sample in samples:
        mask = TASK.read_mask(sample, spec)
        if mask is None or not mask.any():
            continue
        pixels = TASK.preprocess(TASK.read(sample), spec)[0]
        kept = [without_rim(pixels, rim) for rim in RIMS]
        rows.append([np.nan if one is None else 1.0 - float(one[mask].mean()) for one in kept])
    return np.array(rows, dtype=np.float64).reshape(-1, len(RIMS))


def summary(losses: NDArray[np.float64]) -> str:
    """Writes which share of the stripped tumours each rim cuts, and which share of the slices it leaves whole.

    Args:
        losses: [N, len(RIMS)], as `shares_lost` returns them.
    """
    cells = []
    for rim, column in zip(RIMS, losses.T, strict=True):
        stripped = column[~np.isnan(column)]
        cut = f"{np.mean(stripped > MAX_LOSS):.3f}" if len(stripped) else "none stripped"
        cells.append(f"rim {rim:.2f} cuts {cut} (whole {np.mean(np.isnan(column)) if len(column) else 0:.2f})")
    return "; ".join(cells)


if __name__ == "__main__":
    main()
