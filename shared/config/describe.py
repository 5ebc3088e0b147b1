"""Telling what a configuration holds: the resolved one as YAML, and every key with its default and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel


def to_yaml(config: BaseModel) -> str:
    """The resolved configuration as YAML, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Lists every key of a configuration: its full name, its default in YAML, and its meaning.

    A key that holds sections is followed by theirs: those of each section that may stand there, one after the other
    (`data.split.folds`), or those of one entry of a list or mapping (`strategy.phases[].epochs`).
    """
    for name, entry in model.model_fields.items():
        key = f"{prefix}{name}"
        inner = entry.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from describe(inner, f"{key}.")
            continue
        sections = [part for part in get_args(inner) if isinstance(part, type) and issubclass(part, BaseModel)]
        if sections:
            several = get_origin(inner) not in (Union, UnionType)
            yield key, "see the next lines", entry.description or ""
            for section in sections:
                yield from describe(section, f"{key}[]." if several else f"{key}.")
            continue
        default = "needed" if entry.is_required() else _in_yaml(entry.get_default(call_default_factory=True))
        choices = [repr(choice) for choice in get_args(inner) if isinstance(choice, str)]
        said = entry.description or ""
        yield key, default, f"{said} ({' or '.join(choices)})".strip() if len(choices) > 1 else said


def _in_yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True).removesuffix("...\n").strip()
