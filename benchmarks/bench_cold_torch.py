"""Measures the first answer of `medtl predict` in a new process against `import torch`."""

from __future__ import annotations

from benchmarks.cold_start import against_import


def measure() -> tuple[str, float, str]:
    """Returns (what, share of the time of the import, goal)."""
    return "medtl predict scan.dcm, cold, as a share of python -c 'import torch'", against_import("torch"), "<= 0.35"
