"""The processor of this machine, by what Linux says of it."""

from __future__ import annotations

from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
FACTS = frozenset(
    ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "CPU implementer", "CPU part", "Features")
)
"""Lines that say which processor it is; others change by the second or by the core."""
NATIVE_BF16 = frozenset(("avx512_bf16", "amx_bf16", "bf16"))
"""Flags of processors that multiply bfloat16 in hardware, of x86 and ARM; others emulate it, slower than float32."""


def processor_facts() -> list[str]:
    """Lists the model and the flags of this processor, as Linux words them; empty on other systems."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return sorted({line for line in lines if line.split(":")[0].strip() in FACTS})


def multiplies_bf16() -> bool:
    """Tells whether this processor multiplies bfloat16 in hardware; False where that cannot be told."""
    return any(NATIVE_BF16 & set(line.split()) for line in processor_facts())
