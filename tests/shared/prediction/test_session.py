"""Networks run on the provider that is asked for, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.errors import UsageError
from shared.prediction import session
from shared.prediction.session import open_session


class WithoutDevice:
    """An ONNX Runtime session on a machine without a GPU: it goes on with the processor."""

    def __init__(self, *_: Any, providers: list[str], **__: Any) -> None:
        assert providers == ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_provider_that_cannot_start_is_not_replaced_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = session.onnxruntime
    monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(runtime, "InferenceSession", WithoutDevice)
    with pytest.raises(UsageError, match="cannot start cuda"):
        open_session(Path("model.onnx"), provider="cuda")
