"""The fastest precision for training on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

CPU_FLAGS = Path("/proc/cpuinfo")
NATIVE = ("avx512_bf16", "amx_bf16")
"""Flags of processors that multiply bfloat16 in hardware; others emulate it, slower than float32."""


def fast_precision() -> Literal["auto", "bf16"]:
    """Returns "bf16" where the processor multiplies bfloat16 in hardware, else "auto": bf16 on a GPU, fp32 on a CPU."""
    try:
        flags = set(CPU_FLAGS.read_text().split())
    except OSError:  # not Linux
        return "auto"
    return "bf16" if flags & set(NATIVE) else "auto"
