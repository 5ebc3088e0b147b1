"""One spelling for each scanner, from what makers and tables write: scanners are medtl's domains."""

from __future__ import annotations

import re

VENDORS = {
    "ge": r"\bge\b|general electric",
    "siemens": r"siemens",
    "philips": r"philips",
    "canon": r"canon|toshiba",
    "hitachi": r"hitachi|fujifilm",
    "united imaging": r"united imaging|\buih\b",
}
"""Makers of MR scanners by what they write into Manufacturer (0008,0070), past names of the same firm included."""


def scanner_name(manufacturer: str, model: str = "") -> str:
    """One spelling of a scanner: `siemens` for `SIEMENS` and `Siemens Healthineers`, then the model if known."""
    text = " ".join(manufacturer.lower().split())
    vendor = next((name for name, pattern in VENDORS.items() if re.search(pattern, text)), text)
    return f"{vendor} {' '.join(model.lower().split())}".strip()
