"""What a server needs is light: neither it nor its workers import torch, and help needs no web framework."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("medtl.web.app, medtl.web.work", "torch monai"),
        ("handwriting.web.app, handwriting.web.work", "torch monai"),
        ("medtl.cli, handwriting.cli", "torch fastapi uvicorn starlette jinja2"),
    ],
)
def test_modules_import_nothing_heavy(modules: str, heavy: str) -> None:
    code = f"import sys, {modules}; print(*set('{heavy}'.split()) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
