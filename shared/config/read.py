"""Reading a configuration: YAML files, `key=value` overrides, and a message that lists every fault with its origin."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from shared.config.files import BASE, Layers, read_layers
from shared.config.meant import SPOKEN, setting_meant
from shared.config.named import find_config
from shared.config.paths import RUN_CONFIG, read_paths, with_paths
from shared.config.renamed import NOW_SECTIONS, RENAMED
from shared.config.schema import Config
from shared.config.yaml_text import NotYaml, parse_yaml
from shared.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
COMMAND_LINE = "the command line"
SHOULD_BE = "input should be "
IN_YAML = {
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), SHOULD_BE + "a mapping"),
    "tuple_type": SHOULD_BE + "a list",
    "too_short": SHOULD_BE + "a longer list",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), SHOULD_BE + "a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), SHOULD_BE + "a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), SHOULD_BE + "true or false"),
    "string_type": SHOULD_BE + "a text",
}
"""Messages for pydantic's error types whose own messages name Python's types and not YAML's."""


@dataclass(frozen=True)
class _Fault:
    """One fault of a configuration.

    Attributes:
        key: Full name of the faulty key; of a missing key, the section that lacks it.
        message: What is wrong with it, and what is allowed, with the key in front.
        received: The value received, as the end of the message.
    """

    key: str
    message: str
    received: str = ""

    @property
    def text(self) -> str:
        """The whole line."""
        return self.message + self.received


def load_config(named: str | Path | None, overrides: Sequence[str] = (), application: str | None = None) -> Config:
    """Reads a configuration, applies `key.sub=value` overrides, and checks everything.

    That of a run gets its whole paths from the `paths.json` beside it.

    Args:
        named: A YAML file, or the name of a configuration that comes with the application; None: the defaults.
        overrides: Words of the command line, their values in YAML syntax; later ones win.
        application: Name of the application whose configurations `named`, and `base` in a file, may name; None: only
            paths are known.

    Returns:
        The complete configuration; keys that nothing sets have their defaults.

    Raises:
        ConfigError: There is no such configuration, a file or override cannot be read, or the configuration has faults;
            the message lists all of them, each under the file or the command line that set it.
    """
    layers = None if named is None else read_layers(find_config(named, application), application)
    tree: dict[str, Any] = {} if layers is None else layers.tree
    if layers is not None and (path := layers.files[0][0]).name == RUN_CONFIG:
        tree = with_paths(tree, read_paths(path.parent))
    for override in overrides:
        apply_override(tree, override)
    origins: dict[str, list[str]] = {}
    for fault in _faults(Config, tree):
        origins.setdefault(_origin(fault.key, layers, overrides), []).append(fault.text)
    if origins:
        raise ConfigError("; ".join(f"{origin}: {'; '.join(faults)}" for origin, faults in origins.items()))
    return Config.model_validate(tree)


def set_by(key: str, overrides: Sequence[str]) -> list[str]:
    """Lists the overrides that set a key: the key itself, a section around it, or a key within it.

    Args:
        key: Full name of the key (`strategy.epochs`).
        overrides: `key=value` words of the command line.

    Returns:
        Those of `overrides` that do, as they were given and in their order; empty where none does.
    """
    names = [(override, override.partition("=")[0]) for override in overrides]
    return [word for word, name in names if f"{key}.".startswith(f"{name}.") or name.startswith(f"{key}.")]


def _origin(key: str, layers: Layers | None, overrides: Sequence[str]) -> str:
    """Where a key was set: in a file, on the command line, or, of a section, in both together."""
    words = set_by(key, overrides)
    if layers is None:
        return COMMAND_LINE
    path = layers.file_of(key)
    if not words:
        return str(path)
    node: Any = layers.tree
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    whole = any(f"{key}.".startswith(f"{word.partition('=')[0]}.") for word in words)
    return COMMAND_LINE if whole or not node else f"{path} with {' '.join(words)}"


def validate(model: type[Model], tree: Mapping[str, Any], *, origin: str, prefix: str = "") -> Model:
    """Builds a section of a configuration from plain data, and checks it.

    Args:
        model: The section's model.
        tree: The plain data, values by key.
        origin: Where the data come from (a file, the command line), put in front of the message.
        prefix: Prepended to each key in the message, for example "strategy.".

    Returns:
        An instance of `model`.

    Raises:
        ConfigError: The data have faults; the message lists them all.
    """
    if faults := faults_of(model, tree, prefix):
        raise ConfigError(f"{origin}: " + "; ".join(faults))
    return model.model_validate(dict(tree))


def faults_of(model: type[BaseModel], tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lists the faults that keep a section from being built.

    Args:
        model: The section's model.
        tree: The plain data, values by key.
        prefix: Prepended to each key, for example "strategy.".

    Returns:
        One line for each fault, with its key in front; empty where the section can be built.
    """
    return [fault.text for fault in _faults(model, tree, prefix)]


def _faults(model: type[BaseModel], tree: Mapping[str, Any], prefix: str = "") -> list[_Fault]:
    """The faults of plain data; alternatives that one key may hold are one fault."""
    try:
        model.model_validate(dict(tree))
    except ValidationError as error:
        found: dict[str, _Fault] = {}
        details = error.errors(include_url=False, include_context=False)
        for detail in details:
            if detail["type"] == "too_short" and any(_is_within(other["loc"], detail["loc"]) for other in details):
                continue  # pydantic counts the items that are left after faulty ones
            fault = _describe(detail, model, prefix)
            name = fault.message.partition(": ")[0]
            expected = fault.message.removeprefix(f"{name}: {SHOULD_BE}")
            if name in found and expected != fault.message:
                fault = replace(found[name], message=f"{found[name].message} or {expected}")
            found[name] = fault
        return list(found.values())
    return []


def _is_within(location: Sequence[int | str], outer: Sequence[int | str]) -> bool:
    """Whether a location lies inside another one."""
    return len(location) > len(outer) and tuple(location[: len(outer)]) == tuple(outer)


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Sets one key of plain data to the value of a `key.sub=value` word.

    A key of the section `backbone` drops `backbone.nearest`: the network that was asked for is the one that is meant.

    Args:
        tree: The plain data, changed in place; missing sections are added.
        override: The word, its value in YAML syntax.

    Raises:
        ConfigError: The word has no key or no `=`, its value is not YAML, or a section of its key holds a value.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"{COMMAND_LINE}: {override!r} is not of the form key=value, for example seed=1 or backbone.name=vgg16"
        )
    try:
        value = parse_yaml(text)
    except NotYaml:
        raise ConfigError(f"{COMMAND_LINE}: {override!r}: {text!r} is not a YAML value") from None
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(
                f"{COMMAND_LINE}: {override!r}: {parent!r} holds {child!r} and not a section; give it as a mapping"
            )
        node = child
    node[leaf] = value
    if parents == ["backbone"] and leaf != "nearest":
        node.pop("nearest", None)


def _describe(detail: Any, model: type[BaseModel], prefix: str) -> _Fault:
    """Translates one of pydantic's errors: the key, what is wrong with it, and what is allowed."""
    names, sections = _walk(model, detail["loc"])
    key = prefix + ".".join(names) or "(top)"
    if detail["type"] == "extra_forbidden":
        return _Fault(key, _unknown_key(key, sections))
    if key in NOW_SECTIONS and detail["type"].startswith(("model_", "dict_")):
        return _Fault(key, f"{key}: is a section now; write {NOW_SECTIONS[key]}={detail['input']}")
    if detail["type"] == "value_error":
        return _Fault(key, f"{key}: {detail['msg'].removeprefix('Value error, ')}")
    if detail["type"] == "missing":
        return _Fault(key.rpartition(".")[0] or key, f"{key}: field required")
    if detail["type"] == "union_tag_invalid":
        received = detail["input"].get("how")
        return _Fault(f"{key}.how", f"{key}.how: unknown way {received!r}; known: {', '.join(_tags(sections))}")
    message = IN_YAML.get(detail["type"], detail["msg"].lower())
    return _Fault(key, f"{key}: {message}", f", got {detail['input']!r}")


def _unknown_key(key: str, sections: Sequence[type[BaseModel]]) -> str:
    """The message for a key that does not exist, was renamed, or does nothing next to the others of its section."""
    if key == BASE:
        return f"{key}: is a key of files; on the command line, name the configuration in front of the overrides"
    above, _, name = key.rpartition(".")
    known = list(sections[0].model_fields)
    if any(name in section.model_fields for section in sections[1:]):
        return f"{key}: does nothing with the other keys of {above}; keys that go together: {', '.join(known)}"
    # an old name may have been carried over into the section where the new one belongs
    moved = {old.rpartition(".")[2]: new for old, new in RENAMED.items() if new.rpartition(".")[0] == above}
    new = RENAMED.get(key) or (moved.get(name) if above else None)
    leaf = "" if new is None else new.rpartition(".")[2]
    if new and (new.rpartition(".")[0] != above or any(leaf in section.model_fields for section in sections)):
        return f"{key}: was renamed; write {new}"
    return f"{key}: unknown key {name!r}; {_known_keys(key, sections)}"


def _known_keys(key: str, sections: Sequence[type[BaseModel]]) -> str:
    """The keys of the level at which an unknown key stands, the near ones first; or the key elsewhere that is meant."""
    above, _, name = key.rpartition(".")
    known = list(dict.fromkeys(one for section in sections for one in section.model_fields))
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    meant = (
        None
        if near
        else setting_meant(name) or next(map(setting_meant, difflib.get_close_matches(name, SPOKEN, n=1)), None)
    )
    hint = f"did you mean {' or '.join(near)}? " if near else f"did you mean {meant}? " if meant else ""
    listed = ", ".join([*near, *(one for one in known if one not in near)])
    return f"{hint}keys{f' of {above}' if above else ''}: {listed}"


def _walk(model: type[BaseModel], location: Sequence[int | str]) -> tuple[list[str], list[type[BaseModel]]]:
    """Follows a fault's location through the sections.

    Args:
        model: The section that was to be built.
        location: As pydantic gives it: keys and list indices, after a union also the name of the alternative.

    Returns:
        The location without names of alternatives, and the sections whose keys may occur there.
    """
    names, sections, tags, ended = list[str](), [model], list[str](), False
    for part in location:
        if str(part) in tags:
            sections.sort(key=lambda one: str(part) not in _tags([one]))
            tags = []
            continue
        if ended and isinstance(part, str):
            continue
        names.append(str(part))
        field = sections[0].model_fields.get(str(part))
        inner = [] if field is None else _models(field.annotation)
        ended = field is not None and not inner and _is_union(field.annotation)
        sections = inner or sections
        tags = _tags(inner) if len(inner) > 1 else []
    return names, sections


def _is_union(annotation: Any) -> bool:
    """Whether a key may hold alternatives; a mapping, whose keys are the user's, is none."""
    return isinstance(annotation, UnionType) or get_origin(annotation) is Union


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for inner in get_args(annotation) for one in _models(inner)]


def _tags(sections: Sequence[type[BaseModel]]) -> list[str]:
    """Values of `how` that distinguish the sections of a union."""
    with_how = [one for one in sections if "how" in one.model_fields]
    return [tag for one in with_how for tag in get_args(one.model_fields["how"].annotation)]
