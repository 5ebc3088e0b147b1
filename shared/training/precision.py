"""Which precision is the fastest for training here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

CPU_FLAGS = Path("/proc/cpuinfo")
NATIVE = ("avx512_bf16", "amx_bf16")
"""Flags of processors that multiply bfloat16 themselves; others only imitate it, slower than float32."""


def fast_precision() -> Literal["auto", "bf16"]:
    """bf16 where the processor has it; else auto, which means bf16 on a GPU and float32 on a processor."""
    try:
        flags = set(CPU_FLAGS.read_text().split())
    except OSError:  # not Linux
        return "auto"
    return "bf16" if flags & set(NATIVE) else "auto"
