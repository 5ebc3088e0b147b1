"""From a trained network to a finished run; the run itself is tested with the runner."""

from __future__ import annotations

import pytest

from shared.config.read import load_config
from shared.pipeline.finish import models_tried


@pytest.mark.parametrize(
    ("selection", "heads", "epochs", "models"),
    [
        ("log_likelihood", 0, 5, 5),
        ("log_likelihood", 3, 5, 8),
        ("last", 0, 5, 1),
        ("last", 3, 5, 4),
        ("log_likelihood", 0, 0, 1),
    ],
)
def test_a_certificate_allows_for_what_was_chosen_among_and_no_more(
    selection: str, heads: int, epochs: int, models: int
) -> None:
    history = [{"penalty": 1.0}] * heads + [{"phase": 1}] * epochs
    assert models_tried(load_config(None, (f"strategy.selection={selection}",)), history) == models
