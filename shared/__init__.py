"""The transfer engine: tensors, classes, groups and domains, and nothing of MRI or Devanagari.

For data of one's own: `Application(ImageTask("flowers")).train(data="flowers.zip")`. The names below are imported when
they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.lazy import lazily

if TYPE_CHECKING:
    from shared.api.application import Application
    from shared.api.parts import FreezeSchedule, backbone, fit, network
    from shared.errors import MedtlError
    from shared.features.codes import Codes
    from shared.tasks.images import ImageTask
    from shared.tasks.vectors import VectorTask
    from shared.training.gradient_reversal import reversed_gradient
    from shared.version import __version__

__all__ = [
    "Application",
    "Codes",
    "FreezeSchedule",
    "ImageTask",
    "MedtlError",
    "VectorTask",
    "__version__",
    "backbone",
    "fit",
    "network",
    "reversed_gradient",
]
__getattr__, __dir__ = lazily(
    __name__,
    {
        "Application": "shared.api.application",
        "Codes": "shared.features.codes",
        "FreezeSchedule": "shared.api.parts",
        "ImageTask": "shared.tasks.images",
        "MedtlError": "shared.errors",
        "VectorTask": "shared.tasks.vectors",
        "__version__": "shared.version",
        "backbone": "shared.api.parts",
        "fit": "shared.api.parts",
        "network": "shared.api.parts",
        "reversed_gradient": "shared.training.gradient_reversal",
    },
)
