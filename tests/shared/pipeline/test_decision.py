"""How many models validation chose among; what it chooses is tested where the rules are, and in test_train.py."""

from __future__ import annotations

import pytest

from shared.config.read import load_config
from shared.pipeline.decision import models_tried


@pytest.mark.parametrize(
    ("selection", "layers", "heads", "epochs", "models"),
    [
        ("log_likelihood", 0, 0, 5, 5),
        ("log_likelihood", 0, 3, 5, 15),
        ("log_likelihood", 4, 3, 5, 60),
        ("last", 0, 0, 5, 1),
        ("last", 4, 3, 5, 12),
        ("log_likelihood", 0, 0, 0, 1),
    ],
)
def test_models_tried_multiplies_what_is_chosen_in_turn(
    selection: str, layers: int, heads: int, epochs: int, models: int
) -> None:
    history = [{"layers": ["a"]}] * layers + [{"penalty": 1.0}] * heads + [{"phase": 1}] * epochs
    assert models_tried(load_config(None, (f"strategy.selection={selection}",)), history) == models
