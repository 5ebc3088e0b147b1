"""New figures, and figures as data addresses for HTML."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def _png(figure: Figure) -> bytes:
    import matplotlib.pyplot as plt

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130)
    plt.close(figure)
    return stream.getvalue()


def address(figure: Figure) -> str:
    """Closes a figure and returns it as a data address, `data:image/png;base64,...`, for the `src` of an HTML image.

    Args:
        figure: The drawn figure; it cannot be drawn on afterwards.
    """
    return _data_address(_png(figure))


def _data_address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


INK, ACCENT, MUTED = "#1d2733", "#b3261e", "#8a94a0"
