"""The command `backbones`."""

from __future__ import annotations

from handwriting.cli import app
from tests.shared.cli.calling import call


def test_backbones_are_listed_with_stages_and_licence() -> None:
    result = call(app, "backbones")
    assert result.exit_code == 0
    assert "convnet_small: 1 channel(s), 32 px, Apache-2.0" in result.stdout
    assert "stages block1 block2 block3 block4; default layer block4" in result.stdout
