"""The transfer engine: tensors, classes, groups and domains, and nothing of MRI or Devanagari.

For data of one's own: `Application(ImageTask("flowers")).train(data="flowers.zip")`. The names below are imported when
they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.lazy import lazily

if TYPE_CHECKING:
    from shared.api.application import Application
    from shared.tasks.images import ImageTask
    from shared.tasks.vectors import VectorTask

__all__ = ["Application", "ImageTask", "VectorTask"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Application": "shared.api.application",
        "ImageTask": "shared.tasks.images",
        "VectorTask": "shared.tasks.vectors",
    },
)
