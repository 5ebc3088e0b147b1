"""What every strategy says of itself."""

from __future__ import annotations

import pytest

from shared.strategies import TRAITS, describe_traits, find_strategy, strategy_names, target_strategies


@pytest.mark.parametrize("name", strategy_names())
def test_a_strategy_says_what_it_learns_from_and_needs(name: str) -> None:
    strategy = find_strategy(name)
    assert all(isinstance(getattr(strategy, trait), bool) for trait in TRAITS)
    assert strategy.learns_from_target or not strategy.needs_target
    assert hasattr(strategy.options, "model_fields")


def test_traits_are_told_in_words() -> None:
    assert target_strategies() == ["adabn", "cdan", "coral", "dann", "mean_teacher"]
    assert describe_traits("finetune") == "works on vectors too"
    assert describe_traits("adabn") == "learns from unlabelled images of a target, needs a target"
    assert "needs augmentation" in describe_traits("mean_teacher")
