"""Reading a configuration: YAML files, `key=value` overrides, and every fault reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from shared.config.renamed import NOW_SECTIONS, RENAMED
from shared.config.schema import Config
from shared.errors import ConfigError
from shared.registry import unknown_name

Model = TypeVar("Model", bound=BaseModel)
IN_YAML = {
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "input should be a mapping"),
    "tuple_type": "input should be a list",
}
"""Faults by pydantic's names whose words are Python's and not YAML's."""


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Reads a YAML file, applies `key.sub=value` overrides (values in YAML syntax), and checks everything.

    Raises:
        ConfigError: With every fault in one message: unknown keys, wrong types, values out of range.
    """
    tree: dict[str, Any] = read_yaml(path) if path else {}
    for override in overrides:
        apply_override(tree, override)
    return validate(Config, tree, origin=str(path) if path else "the command line")


def validate(model: type[Model], tree: Mapping[str, Any], *, origin: str, prefix: str = "") -> Model:
    """Builds `model` from plain data.

    Args:
        model: A section.
        tree: Plain data.
        origin: Where they come from, for the message.
        prefix: Stands before each key in the message, for example "strategy.".

    Raises:
        ConfigError: With every fault in one message.
    """
    if faults := faults_of(model, tree, prefix):
        raise ConfigError(f"{origin}: " + "; ".join(faults))
    return model.model_validate(dict(tree))


def faults_of(model: type[BaseModel], tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What keeps `model` from being built from plain data, a line a fault; empty where nothing does."""
    try:
        model.model_validate(dict(tree))
    except ValidationError as error:
        return [_describe(fault, model, prefix) for fault in error.errors(include_url=False, include_context=False)]
    return []


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file holds an empty one.

    Raises:
        ConfigError: It cannot be read, is no YAML, or holds something else.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds a {type(tree).__name__}; a mapping of keys to values is needed")
    if faults := list(_keys_not_text(tree)):
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


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Sets in plain data what a `key.sub=value` word says, the value in YAML syntax.

    Raises:
        ConfigError: It is no such word.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"{override!r} is not of the form key=value, for example seed=1 or backbone.name=vgg16")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"{override!r}: {text!r} is not a YAML value") from None
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{override!r}: {parent!r} holds a value, not a section")
        node = child
    node[leaf] = value


def _describe(fault: Any, model: type[BaseModel], prefix: str) -> str:
    """One fault of pydantic's in one line: key, what is wrong, what is allowed."""
    location, members = _walk(model, fault["loc"])
    where = prefix + ".".join(location) or "(top)"
    if fault["type"] == "extra_forbidden":
        return _unknown(where, members)
    if where in NOW_SECTIONS and fault["type"].startswith(("model_", "dict_")):
        return f"{where}: is a section now; write {NOW_SECTIONS[where]}={fault['input']}"
    if fault["type"] == "value_error":
        return f"{where}: {fault['msg'].removeprefix('Value error, ')}"
    if fault["type"] == "missing":
        return f"{where}: field required"
    if fault["type"] == "union_tag_invalid":
        return f"{where}.how: unknown way {fault['input'].get('how')!r}; known: {', '.join(_tags(members))}"
    return f"{where}: {IN_YAML.get(fault['type'], fault['msg'].lower())}, got {fault['input']!r}"


def _unknown(where: str, members: Sequence[type[BaseModel]]) -> str:
    """What is said of a key that does not exist, or does nothing next to the others of its section."""
    if where in RENAMED:
        return f"{where}: is called {RENAMED[where]} now"
    *above, name = where.split(".")
    known = list(members[0].model_fields)
    others = {key for model in members[1:] for key in model.model_fields}
    if name in others:
        section = ".".join(above)
        return f"{where}: does nothing with the other keys of {section}; keys that go together: {', '.join(known)}"
    return f"{where}: {unknown_name('key', name, known)}"


def _walk(model: type[BaseModel], location: Sequence[int | str]) -> tuple[list[str], list[type[BaseModel]]]:
    """A fault's location without the tags of unions, and the sections whose keys may stand there.

    Args:
        model: That was to be built.
        location: As pydantic gives it.
    """
    names, members, tags = list[str](), [model], list[str]()
    for part in location:
        if str(part) in tags:
            members.sort(key=lambda one: str(part) not in _tags([one]))
            tags = []
            continue
        names.append(str(part))
        field = members[0].model_fields.get(str(part))
        inner = [] if field is None else _models(field.annotation)
        members = inner or members
        tags = _tags(inner) if len(inner) > 1 else []
    return names, members


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for inner in get_args(annotation) for one in _models(inner)]


def _tags(members: Sequence[type[BaseModel]]) -> list[str]:
    """Values of `how` by which sections of a union are told apart."""
    return [tag for one in members if "how" in one.model_fields for tag in get_args(one.model_fields["how"].annotation)]
