"""Every key that a person can set in YAML, as lines for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import BaseModel

from shared.config.describe import describe
from shared.config.schema import Config
from shared.experiments.comparison.plan import Comparison
from shared.strategies import find_strategy, strategy_names

if TYPE_CHECKING:
    from shared.task import Task


def option_lines(task: Task) -> Iterator[str]:
    """The keys of a configuration, then those of each strategy, then those of a comparison."""
    for key, default, meaning in describe(Config):
        if key == "data.options":
            default = json.dumps(task.default_options)
        if key != "strategy":
            yield _line(key, default, meaning)
    for name in strategy_names():
        yield f"with strategy.name = {name}:"
        yield from _lines(find_strategy(name).options, "strategy.")
    yield f"in the file of `{task.name} compare`:"
    yield from _lines(Comparison, "")


def _lines(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for key, default, meaning in describe(model, prefix):
        yield _line(key, default, meaning)


def _line(key: str, default: str, meaning: str) -> str:
    return f"{key} = {default}\n    {meaning}"
