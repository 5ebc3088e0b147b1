"""Brain-MRI tumour classification by transfer learning.

The functions and errors below are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.lazy import lazily

if TYPE_CHECKING:
    from medtl.api import (
        adapt,
        advise,
        audit,
        backbones,
        compare,
        crossval,
        ensemble,
        explain,
        fetched,
        listen,
        load_run,
        models,
        predict,
        run_demo,
        serve,
        train,
        write_phantom,
        zero_shot,
    )
    from shared.errors import (
        ConfigError,
        DataError,
        ExportError,
        InputRefused,
        LeakError,
        MeaningError,
        MedtlError,
        RunError,
        UnknownNameError,
        UsageError,
        WeightsError,
    )
    from shared.version import __version__

__all__ = [
    "ConfigError",
    "DataError",
    "ExportError",
    "InputRefused",
    "LeakError",
    "MeaningError",
    "MedtlError",
    "RunError",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "__version__",
    "adapt",
    "advise",
    "audit",
    "backbones",
    "compare",
    "crossval",
    "ensemble",
    "explain",
    "fetched",
    "listen",
    "load_run",
    "models",
    "predict",
    "run_demo",
    "serve",
    "train",
    "write_phantom",
    "zero_shot",
]
_MODULES = {"Error": "shared.errors", "Refused": "shared.errors", "__version__": "shared.version"}
__getattr__, __dir__ = lazily(
    __name__,
    {name: next((module for end, module in _MODULES.items() if name.endswith(end)), "medtl.api") for name in __all__},
)
