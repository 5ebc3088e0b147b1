"""A hash of the code that reads data, with the releases of the libraries under it: what is kept of data goes by it."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOMS = ("data", "io", "tasks")
"""Folders of this package whose code reads and compares data, whatever the application."""
RELEASES = ("medtl", "numpy", "scipy", "opencv-python-headless", "pillow", "pydicom", "python-gdcm", "nibabel")
"""Distributions that decode and resize: another release of one may make other pixels."""


@cache
def code_hash(module: str) -> str | None:
    """Computes a hash over the code that a module works with, and the installed `RELEASES`.

    That code is all of the package that it is a module of, or its one file, and `ROOMS`.

    Args:
        module: Name of an imported module.

    Returns:
        64 hexadecimal digits; None where the module lies in no file, as in a notebook.
    """
    named = getattr(sys.modules.get(module), "__file__", None)
    if named is None:
        return None
    here, engine = Path(named).resolve(), Path(__file__).resolve().parents[1]
    files = sorted(here.parent.rglob("*.py")) if "." in module else [here]
    files += [file for room in ROOMS for file in sorted((engine / room).rglob("*.py"))]
    digest = hashlib.sha256(" ".join(map(_release, RELEASES)).encode())
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def class_hash(own: type) -> str | None:
    """Computes a hash over the code of a class and of all that it inherits from.

    Args:
        own: The class.

    Returns:
        64 hexadecimal digits; None where one of these classes lies in no file, or is not the one that its module has
        under its name: made by a function, classes may differ while their code does not.
    """
    digest = hashlib.sha256()
    for one in own.__mro__[:-1]:  # without `object`
        code = code_hash(one.__module__)
        if code is None or getattr(sys.modules.get(one.__module__), one.__qualname__, None) is not one:
            return None
        digest.update(f"{one.__qualname__} {code} ".encode())
    return digest.hexdigest()


def _release(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"
