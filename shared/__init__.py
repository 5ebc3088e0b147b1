"""The transfer engine: tensors, classes, groups and domains, and nothing of MRI or Devanagari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.tasks.images import ImageTask
    from shared.tasks.vectors import VectorTask

__all__ = ["ImageTask", "VectorTask"]


def __getattr__(name: str) -> Any:
    """Imports a task for data of one's own when it is first named."""
    if name == "ImageTask":
        from shared.tasks.images import ImageTask

        return ImageTask
    if name == "VectorTask":
        from shared.tasks.vectors import VectorTask

        return VectorTask
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
