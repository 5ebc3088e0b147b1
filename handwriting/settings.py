"""The options of handwriting's preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_OPTIONS: Mapping[str, Any] = {"margin": 2 / 32}
"""margin: share of the frame left empty on each side; DHCD's images have 2 of 32 pixels."""
