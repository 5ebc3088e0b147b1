"""Exports of a finished run in the layouts of others, one in each file; the name of the file is that of the layout.

Nothing heavy is imported here: the command line lists the names.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import UsageError
from shared.registry import unknown_name

if TYPE_CHECKING:
    from shared.exports.model import Model
    from shared.task import Task

Write = Callable[["Model", Path], None]
"""The function `write` of the file of a layout: writes a model into an empty folder."""


def layout_names() -> list[str]:
    """Lists the names of all layouts, sorted, without importing any."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "model")


def export(task: Task, run: Path, out: Path, *, layout: str, licence: str | None = None) -> None:
    """Writes a finished run into a new folder in the layout of others.

    Nothing is uploaded, and the run is not changed. No picture, feature, digest or prediction of an image is written.

    Args:
        task: The application.
        run: The folder of a finished run, or of a released model.
        out: A new folder, which appears when all is written.
        layout: Name of the layout, one of `layout_names`.
        licence: Licence of the model by its short name ("apache-2.0"); None: it is not stated.

    Raises:
        UsageError: There is no such layout, or the run is unfinished, of another application, or not to be written so.
        RunError: The run is damaged.
        DataError: `out` holds something.
    """
    if layout not in layout_names():
        raise UsageError(f"--as: {unknown_name('layout', layout, layout_names())}")
    from shared.exports.model import read_model
    from shared.io.atomic import new_folder

    write: Write = importlib.import_module(f"{__name__}.{layout}").write
    model = read_model(task, run, licence)
    with new_folder(out) as partial:
        write(model, partial)
