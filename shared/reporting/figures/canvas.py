"""New figures, and figures as data addresses for HTML."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE = 5.0
"""Width in inches of a figure that is wider than high: on a phone its letters are still 9 pixels high."""
SQUARE = 3.6
"""Width and height in inches of a figure that is as high as wide."""
DOTS = 160
"""Dots an inch of a figure."""
INK, ACCENT, MUTED = "#1d2733", "#b3261e", "#66707c"
"""Colours of lines and words; each has a contrast of 4.5 at least to white, as WCAG AA asks."""


def new_figure(width: float, height: float) -> tuple[Figure, Any]:
    """Makes a matplotlib figure with one pair of axes, drawn without a screen.

    Args:
        width: Width in inches.
        height: Height in inches.

    Returns:
        The figure and its axes (matplotlib's `Figure` and `Axes`).
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def png(figure: Figure, *, transparent: bool = False) -> bytes:
    """Closes a figure and returns it as the bytes of a PNG file.

    Args:
        figure: The drawn figure; it cannot be drawn on afterwards.
        transparent: Whether the ground is left out, else it is white.
    """
    import matplotlib.pyplot as plt

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS, transparent=transparent)
    plt.close(figure)
    return stream.getvalue()


def address(figure: Figure) -> str:
    """Closes a figure and returns it as a data address, `data:image/png;base64,...`, for the `src` of an HTML image.

    Its ground is that of the page: the style sheet of pages turns dark lines on light into light ones on dark.

    Args:
        figure: The drawn figure; it cannot be drawn on afterwards.
    """
    return data_address(png(figure, transparent=True))


def data_address(content: bytes) -> str:
    """Writes a PNG file as a data address, `data:image/png;base64,...`.

    Args:
        content: The bytes of the file.
    """
    return "data:image/png;base64," + base64.b64encode(content).decode()
