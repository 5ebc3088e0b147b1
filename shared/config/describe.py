"""Describing configurations: a resolved one as YAML, and every key with its default and description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from shared.config.schema import Config

Row = tuple[str, str, str]
"""Full name of a key, its default in YAML, its description."""


def to_yaml(config: BaseModel) -> str:
    """Writes a configuration as YAML text, with every default, in the order of its keys.

    Args:
        config: The resolved configuration, or a section of one.
    """
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def without_folders(config: Config) -> Config:
    """Cuts the paths of a configuration to their last part, for what may be passed on.

    Args:
        config: The configuration.
    """
    data = config.data
    names: dict[str, Any] = {
        "source": data.source and Path(data.source).name,
        "exclude_copies_of": data.exclude_copies_of and Path(data.exclude_copies_of).name,
        "collections": {name: Path(path).name for name, path in data.collections.items()},
    }
    backbone = config.backbone.model_copy(update={"weights": Path(config.backbone.weights).name})
    return config.model_copy(update={"data": data.model_copy(update=names), "backbone": backbone})


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    """Lists every key of a configuration with its default and its description.

    A key that holds a list of sections is followed by their keys as `strategy.phases[].epochs`, one that holds sections
    by name as `published.NAME.source`, and one that holds one of several sections by the keys of all of them.

    Args:
        model: The configuration's model, or that of a section.
        prefix: Prepended to each name, for example "strategy.".

    Yields:
        (full name, default, description) of each key. The default is YAML text, or "required" where there is none, or
        "see the next lines" where the key holds sections.
    """
    for name, entry in model.model_fields.items():
        key, annotation = f"{prefix}{name}", entry.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from describe(annotation, f"{key}.")
            continue
        sections = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        if sections:
            yield key, "see the next lines", entry.description or ""
            yield from _alternatives(sections, f"{key}{_place_of_sections(annotation)}.")
            continue
        default = "required" if entry.is_required() else _in_yaml(entry.get_default(call_default_factory=True))
        choices = [choice for choice in get_args(annotation) if isinstance(choice, str)]
        description = entry.description or ""
        if len(choices) > 1 and not all(f"{choice}: " in description for choice in choices):
            description = f"{description} ({' or '.join(map(repr, choices))})".strip()
        yield key, default, description


def _place_of_sections(annotation: Any) -> str:
    """How the name of a key goes on that holds sections: by list item, by name, or directly."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return ""
    return ".NAME" if isinstance(origin, type) and issubclass(origin, Mapping) else "[]"


def _alternatives(sections: Sequence[type[BaseModel]], prefix: str) -> Iterator[Row]:
    """The keys of sections of which one is given, each key once; `how`, which chooses among them, names all ways."""
    rows: dict[str, Row] = {}
    for section in sections:
        for key, default, description in describe(section, prefix):
            if key in rows and key == f"{prefix}how":
                _, first, before = rows[key]
                rows[key] = (key, first, f"{before}; {description}")
            rows.setdefault(key, (key, default, description))
    yield from rows.values()


def _in_yaml(value: Any) -> str:
    """A default as YAML on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True).removesuffix("...\n").strip()
