"""Processes of their own for a script of plain lines, which a child must not run again."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

MAIN = "__main__"
SHIELD = (
    "this work needs a class or function of the script itself, so that its processes import the script; put what the "
    "script does below a line `if __name__ == '__main__':`"
)
_STARTING = threading.Lock()


def needs_script(*pickled: Any) -> bool:
    """Tells whether objects name something of the program's main module, which a child must then import.

    Args:
        pickled: What is handed to the child.
    """
    return MAIN.encode() in pickle.dumps(pickled)


def is_run_again() -> bool:
    """Tells whether the main module is being imported by a child, which may start no child of its own then."""
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))


@contextmanager
def without_script() -> Iterator[None]:
    """Gives a `with` block whose spawned processes do not import the program's main module.

    Python's own start runs a script again in each child; a script without `if __name__ == "__main__":` ends in errors
    there. For the block another, empty module stands in place of the main one.
    """
    with _STARTING:
        main = sys.modules[MAIN]
        sys.modules[MAIN] = ModuleType(MAIN)
        try:
            yield
        finally:
            sys.modules[MAIN] = main
