"""Measures the first answer of `medtl predict` in a new process against `import monai`."""

from __future__ import annotations

from benchmarks.cold_start import against_import
from benchmarks.side_by_side import Measured


def measure() -> list[Measured]:
    """Measures the first answer, beside the import."""
    return against_import("monai", "<= 0.1")
