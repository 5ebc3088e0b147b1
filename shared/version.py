"""The version of the installed distribution, and of what it runs on. Nothing is imported to find them."""

import platform
from importlib.metadata import PackageNotFoundError, version

__version__ = version("medtl")
RUNS_ON = ("onnxruntime", "torch")
"""Distributions whose versions change what a model answers, or how it is trained."""


def version_words(application: str) -> str:
    """Writes the version of an application in one line, with those of Python and of `RUNS_ON`.

    Args:
        application: Name of the application.
    """
    parts = [f"Python {platform.python_version()}", *(_installed(name) for name in RUNS_ON)]
    return f"{application} {__version__} ({', '.join(parts)})"


def _installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"
