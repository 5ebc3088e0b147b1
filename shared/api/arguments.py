"""Checks of what a caller gives: one clear line, in place of an error from deep below."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

from shared.errors import UsageError

AnyPath: TypeAlias = str | os.PathLike[str]
"""A path, as text or as `pathlib.Path`."""
Settings: TypeAlias = Mapping[str, Any] | Sequence[str]
"""Keys of a configuration with their values, such as `{"backbone.name": "vgg16"}`; or words as the command line takes
them, such as `["backbone.name=vgg16"]`."""


def path_of(name: str, value: object) -> Path:
    """Returns an argument as a path.

    Args:
        name: Name of the argument, for the message.
        value: What was given.

    Raises:
        TypeError: It is no path.
    """
    if isinstance(value, (str, os.PathLike)):
        return Path(os.fspath(value))
    raise TypeError(f"{name} is {_shown(value)}; give a path, as text or as pathlib.Path")


def optional_path(name: str, value: object) -> Path | None:
    """Returns an argument as a path, or None where it was not given.

    Args:
        name: Name of the argument, for the message.
        value: What was given.

    Raises:
        TypeError: It is neither a path nor None.
    """
    return None if value is None else path_of(name, value)


def paths_of(name: str, value: object) -> list[Path]:
    """Returns an argument that is one path or several as a list of paths.

    Args:
        name: Name of the argument, for the message.
        value: What was given.

    Raises:
        TypeError: It is neither.
        UsageError: There is no path.
    """
    if isinstance(value, (str, os.PathLike)):
        return [path_of(name, value)]
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} is {_shown(value)}; give a path, or a list of paths")
    found = [path_of(f"an entry of {name}", one) for one in value]
    if not found:
        raise UsageError(f"{name} is empty; give at least one path")
    return found


def number_of(name: str, value: object, least: int) -> int:
    """Returns an argument that is a whole number.

    Args:
        name: Name of the argument, for the message.
        value: What was given.
        least: Smallest number that is allowed.

    Raises:
        TypeError: It is no whole number.
        UsageError: It is too small.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {_shown(value)}; give a whole number from {least} on")
    number = int(value)
    if number < least:
        raise UsageError(f"{name} is {number}; give a whole number from {least} on")
    return int(number)


def real_of(name: str, value: object) -> float:
    """Returns an argument that is a number.

    Args:
        name: Name of the argument, for the message.
        value: What was given.

    Raises:
        TypeError: It is no number.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {_shown(value)}; give a number")
    return float(value)


def words_of(settings: object, **own: object) -> list[str]:
    """Returns settings as the words that a configuration is overridden by.

    Args:
        settings: A `Settings`; None: none.
        own: Further keys with their values; those that are None are left out. They come last, and so win.

    Returns:
        Words `key=value`, their values in YAML.

    Raises:
        TypeError: The settings are of another kind, a key is no text, or a value is none that YAML can hold.
    """
    further = [f"{key.replace('__', '.')}={_in_yaml(key, value)}" for key, value in own.items() if value is not None]
    if settings is None:
        return further
    if isinstance(settings, Mapping):
        return [*(f"{_key(key)}={_in_yaml(key, value)}" for key, value in settings.items()), *further]
    if isinstance(settings, Sequence) and not isinstance(settings, str) and all(isinstance(x, str) for x in settings):
        return [*settings, *further]
    raise TypeError(f"settings is {_shown(settings)}; give keys with values, such as {{'backbone.name': 'vgg16'}}")


def _key(key: object) -> str:
    if isinstance(key, str) and key and "=" not in key:
        return key
    raise TypeError(f"{key!r} is no key of a configuration; give one such as 'backbone.name'")


def _in_yaml(key: object, value: object) -> str:
    import yaml

    text = yaml.safe_dump(_plain(key, value), default_flow_style=True, allow_unicode=True, width=10**9)
    return text.removesuffix("...\n").strip()


def _plain(key: object, value: Any) -> Any:
    """The value as plain data: text, numbers, truth values, lists and mappings."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(key, one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return [_plain(key, one) for one in value]
    if type(value).__module__ == "numpy":
        return _plain(key, value.tolist())
    raise TypeError(f"{key} is {_shown(value)}; give a text, a number, a list or a mapping")


def _shown(value: object) -> str:
    """A value and its type, in one short line."""
    text = repr(value)
    shown = text if len(text) <= 60 and "\n" not in text else "a value"
    return f"{shown} ({type(value).__name__})"
