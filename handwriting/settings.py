"""The checked options of handwriting's preprocessing, without heavy imports, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from shared.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """The options of handwriting's preprocessing; their defaults are `DEFAULT_OPTIONS`.

    Attributes:
        blocks: Whether DHCD's images are grouped by blocks of file numbers (`handwriting.blocks`), for a split that is
            drawn; its official split cuts through blocks.
        margin: Share of the frame left empty on each side, 0 to 0.4; DHCD's images have 2 of 32 pixels.
    """

    blocks: bool = False
    margin: float = 2 / 32

    def __post_init__(self) -> None:
        if not isinstance(self.blocks, bool):
            raise ConfigError(f"blocks is {self.blocks!r}; allowed are true and false")
        if isinstance(self.margin, bool) or not isinstance(self.margin, (int, float)) or not 0 <= self.margin <= 0.4:
            raise ConfigError(f"margin is {self.margin!r}; allowed are 0 to 0.4")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Settings:
        """Makes settings from `options`, with the defaults for the others.

        Raises:
            ConfigError: An option is unknown or its value is not allowed.
        """
        unknown = sorted(set(options) - set(DEFAULT_OPTIONS))
        if unknown:
            raise ConfigError(f"unknown option {unknown[0]!r}; allowed are {', '.join(DEFAULT_OPTIONS)}")
        return cls(**options)


DEFAULT_OPTIONS: Mapping[str, Any] = {field.name: field.default for field in fields(Settings)}
