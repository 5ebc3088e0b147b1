"""Transfer strategies, one in each file; the name of the file is the name of the strategy."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from shared.errors import UnknownNameError
from shared.registry import unknown_name

if TYPE_CHECKING:
    from shared.strategies.base import Strategy


def strategy_names() -> list[str]:
    """Lists the names of all strategies, sorted, without importing any."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(__path__)
        if module.name != "base" and not module.name.startswith("_")
    )


def find_strategy(name: str) -> Strategy:
    """Imports the strategy called `name` and returns it.

    Raises:
        UnknownNameError: There is no such strategy; the message lists similar names.
    """
    if name not in strategy_names():
        raise UnknownNameError(unknown_name("strategy", name, strategy_names()))
    strategy: Strategy = importlib.import_module(f"shared.strategies.{name}").STRATEGY
    return strategy


TRAITS = {
    "learns_from_target": "learns from unlabelled images of a target",
    "needs_target": "needs a target",
    "needs_augmentation": "needs augmented images",
    "works_on_vectors": "takes vectors as well as images",
}
"""Words for each trait of a strategy (an attribute of `shared.strategies.base.Strategy`)."""


def describe_traits(name: str) -> str:
    """Describes the traits of the strategy called `name` in words.

    Returns:
        Phrases of `TRAITS`, separated by commas; the empty string where the strategy has none of these traits.

    Raises:
        UnknownNameError: There is no such strategy.
    """
    strategy = find_strategy(name)
    return ", ".join(words for trait, words in TRAITS.items() if getattr(strategy, trait))


def target_strategies() -> list[str]:
    """Lists the names of the strategies that learn from unlabelled target images, sorted."""
    return [name for name in strategy_names() if find_strategy(name).learns_from_target]
