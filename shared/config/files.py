"""Configuration files: reading one as plain data, and laying it over the file that its key `base` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from shared.config.named import find_config
from shared.config.yaml_text import NotYaml, parse_yaml
from shared.errors import ConfigError

BASE = "base"
"""The key of a file that names another configuration, whose keys hold where the file itself does not set them."""


@dataclass(frozen=True)
class Layers:
    """A configuration file, and those that it builds on.

    Attributes:
        files: Path and plain data, without the key `base`, of the file itself, of its base, of the base of that, and
            so on.
    """

    files: tuple[tuple[Path, Mapping[str, Any]], ...]

    @property
    def tree(self) -> dict[str, Any]:
        """The plain data of all files together, newly made."""
        nothing: dict[str, Any] = {}
        return reduce(_built_on, (tree for _, tree in reversed(self.files)), nothing)

    def file_of(self, key: str) -> Path:
        """Finds the file that sets a key.

        Args:
            key: Full name of the key (`strategy.epochs`).

        Returns:
            The first that does; where none does, the file itself.
        """
        return next((path for path, tree in self.files if _sets(tree, key)), self.files[0][0])


def read_layers(path: Path, application: str | None) -> Layers:
    """Reads a configuration file and those that it builds on.

    Args:
        path: The file.
        application: Name of the application whose configurations `base` may name; None: it may give paths alone.

    Raises:
        ConfigError: A file cannot be read, or a base is no text, does not exist, or leads back to a file before it.
    """
    files = list[tuple[Path, Mapping[str, Any]]]()
    following: Path | None = path
    while following is not None:
        file = following
        if any(file.resolve() == read.resolve() for read, _ in files):
            raise ConfigError(f"{files[-1][0]}: {BASE}: leads back to {file}; name another configuration")
        tree = read_yaml(file)
        if {"backbones", "strategies"} <= tree.keys():
            raise ConfigError(f"{file}: is a comparison, for `compare`; a training has one backbone, one strategy")
        base = tree.pop(BASE, None)
        files.append((file, tree))
        following = None if base is None else find_base(base, file.parent, str(file), application)
    return Layers(tuple(files))


def find_base(base: Any, folder: Path, origin: str, application: str | None) -> Path:
    """Finds the file that the key `base` names.

    Args:
        base: The value of the key.
        folder: Folder that a path is relative to.
        origin: What holds the key, put in front of the message.
        application: Name of the application whose configurations may be named; None: only paths are known.

    Returns:
        A file of that path, where there is one; else the named configuration.

    Raises:
        ConfigError: The value is no text, or nothing of that name exists.
    """
    if not isinstance(base, str):
        raise ConfigError(f"{origin}: {BASE}: give the name of a configuration, or the path of its file, got {base!r}")
    if (folder / base).is_file():
        return folder / base
    try:
        return find_config(base, application)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {BASE}: {error}") from None


def lay_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lays the plain data of a configuration over those of another one, section by section, and returns new data.

    A strategy of another name replaces that of the base, because strategies do not share their options.

    Args:
        base: The plain data that are overridden; left as they are.
        over: The keys that override.
    """
    tree = _merged(base, over)
    if isinstance(new := over.get("strategy"), dict) and _is_another(base.get("strategy"), new):
        tree["strategy"] = deepcopy(new)
    return tree


def _built_on(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A file on its base; a key of `backbone` drops the base's `backbone.nearest`, as on the command line."""
    tree = lay_over(base, over)
    changed = over.get("backbone")
    if isinstance(changed, dict) and changed and "nearest" not in changed:
        tree["backbone"].pop("nearest", None)
    return tree


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    tree = deepcopy(dict(base))
    for key, new in over.items():
        old = tree.get(key)
        tree[key] = _merged(old, new) if isinstance(old, dict) and isinstance(new, dict) else deepcopy(new)
    return tree


def _is_another(old: Any, new: Mapping[str, Any]) -> bool:
    """Whether two strategy sections name different strategies."""
    return isinstance(old, dict) and "name" in new and new["name"] != old.get("name")


def _sets(tree: Any, key: str) -> bool:
    """Whether plain data set a key, or something within it."""
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file that holds a mapping; an empty file gives an empty one.

    Args:
        path: A UTF-8 file.

    Raises:
        ConfigError: The file cannot be read, is not YAML, holds no mapping, or has keys that are not text.
    """
    try:
        tree = parse_yaml(path.read_text(encoding="utf-8"))
        faults = list(_keys_not_text(tree))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no text; a configuration is a YAML file") from None
    except NotYaml as error:
        raise ConfigError(f"{path}: {error}; a line reads `key: value`") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds no keys; a configuration is a mapping, a line reads `key: value`")
    if faults:
        raise ConfigError(f"{path}: keys must be text; put in quotes: {', '.join(faults)}")
    return tree


def _keys_not_text(node: Any, above: str = "") -> Iterator[str]:
    """Full names of keys that YAML reads as a number, a truth value or nothing."""
    if isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(key, str):
                yield f"{above}{key}"
            yield from _keys_not_text(value, f"{above}{key}.")
    elif isinstance(node, list):
        for value in node:
            yield from _keys_not_text(value, above)
