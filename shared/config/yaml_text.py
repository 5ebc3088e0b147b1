"""Reads YAML from anyone: plain data alone, within bounds of length, depth and of what aliases repeat."""

from __future__ import annotations

from typing import Any

import yaml

from shared.errors import ConfigError

MAX_CHARACTERS = 1 << 18
"""256 Ki: a configuration has some hundred lines."""
MAX_DEPTH = 32
MAX_NODES = 100_000
"""Values and keys, those that aliases repeat counted each time."""


class NotYaml(ConfigError):
    """A text is not YAML, or breaks a bound; the message is the rest of a sentence, ("is not YAML at line 3 ...")."""


class _Loader(yaml.SafeLoader):
    """A loader of plain data that goes no deeper than `MAX_DEPTH`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotYaml(f"has more than {MAX_DEPTH} levels; write fewer in one another")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def parse_yaml(text: str) -> Any:
    """Reads the one document of a YAML text as plain data.

    Args:
        text: The text.

    Returns:
        Dictionaries, lists, texts, numbers, truth values, dates and None.

    Raises:
        NotYaml: It is not YAML, too long, too deep, or repeats too much by aliases.
    """
    if len(text) > MAX_CHARACTERS:
        raise NotYaml(f"has {len(text)} characters; at most {MAX_CHARACTERS} are read")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {})
        return loader.construct_document(node)
    except NotYaml:
        raise
    except yaml.YAMLError as error:
        raise NotYaml(f"is not YAML{_place(error)}") from None
    except Exception as error:  # numbers and dates that Python cannot hold, and whatever else PyYAML does not foresee
        raise NotYaml(f"has a value that cannot be read ({type(error).__name__})") from None


def _count(node: Any, known: dict[int, int]) -> int:
    """Number of values below a node, as if aliases were written out."""
    if id(node) in known:
        if not known[id(node)]:
            raise NotYaml("has an alias within what it stands for; write it out")
        return known[id(node)]
    known[id(node)] = 0  # until its end is known
    below = node.value if isinstance(node, (yaml.SequenceNode, yaml.MappingNode)) else ()
    total = 1 + sum(_count(one, known) for pair in below for one in (pair if isinstance(pair, tuple) else (pair,)))
    if total > MAX_NODES:
        raise NotYaml(f"has more than {MAX_NODES} values, as aliases repeat them; write fewer")
    known[id(node)] = total
    return total


def _place(error: yaml.YAMLError) -> str:
    """Where a text stops being YAML, and why, as the rest of a sentence."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1} ({problem})"
