from __future__ import annotations

from pathlib import Path

import pytest

from shared.training import precision


@pytest.mark.parametrize(("flags", "found"), [("avx2 avx512_bf16", "bf16"), ("avx2 amx_bf16x", "auto"), (None, "auto")])
def test_bf16_is_for_processors_that_multiply_it(
    flags: str | None, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(precision, "CPU_FLAGS", tmp_path / "cpuinfo")
    assert precision.fast_precision() == found
