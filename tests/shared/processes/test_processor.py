from __future__ import annotations

from pathlib import Path

import pytest

from shared.processes import processor


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("processor\t: 0\nflags\t\t: avx2 avx512_bf16\n", True),
        ("Features\t: asimd bf16\n", True),
        ("flags\t\t: avx2 amx_bf16x\n", False),
        ("bugs\t\t: avx512_bf16\n", False),
        (None, False),
    ],
)
def test_bf16_is_multiplied_by_processors_that_have_a_flag_for_it(
    text: str | None, native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    assert processor.multiplies_bf16() is native


def test_what_changes_by_the_second_is_no_fact_of_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = "".join(f"processor : {n}\nmodel name : X\ncpu MHz : {n}00.0\n" for n in (1, 2))
    (tmp_path / "cpuinfo").write_text(cores)
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    assert processor.processor_facts() == ["model name : X"]
