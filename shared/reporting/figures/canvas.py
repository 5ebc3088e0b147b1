"""New figures, and figures as data addresses for HTML."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> tuple[Figure, Any]:
    """Makes a figure and its axes, drawn without a screen.

    Args:
        width: Width in inches.
        height: Height in inches.
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
    """Closes a figure and gives it as a data address with a PNG inside."""
    return _data_address(_png(figure))


def _data_address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


INK, ACCENT, MUTED = "#1d2733", "#b3261e", "#8a94a0"
