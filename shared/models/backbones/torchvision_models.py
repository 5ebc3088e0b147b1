"""torchvision's models, imported without torch's compiler."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo.utils"
"""What torchvision imports for one operator of detectors, which no network here has; it takes a second."""


class _Late(ModuleType):
    """Stands for a module of functions, which is imported when the first of them is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values, **named: getattr(import_module(self.__name__), name)(*values, **named)


def torchvision_models() -> Any:
    """Imports `torchvision.models`; torch's compiler comes with the first call that needs it."""
    late = "torchvision" not in sys.modules and COMPILER not in sys.modules
    if late:
        sys.modules[COMPILER] = _Late(COMPILER)
    try:
        return import_module("torchvision.models")
    finally:
        if late:
            del sys.modules[COMPILER]
