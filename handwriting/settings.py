"""The checked options of handwriting's preprocessing, without heavy imports, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import ConfigError
from shared.task import PreprocessingOptions


@dataclass(frozen=True)
class Settings(PreprocessingOptions):
    """The options of handwriting's preprocessing.

    Attributes:
        blocks: Whether DHCD's images are grouped by blocks of file numbers (`handwriting.blocks`), for a split that is
            drawn; its official split cuts through blocks.
        margin: Share of the frame left empty on each side, 0 to 0.4; DHCD's images have 2 of 32 pixels.
        photographs: Whether the light of pictures of 48 pixels and more is made even, and faint ruling removed, before
            ink is looked for; smaller ones are crops of scans, which need neither.
    """

    blocks: bool = False
    margin: float = 2 / 32
    photographs: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 0.4:
            raise ConfigError(f"margin is {self.margin}; allowed are 0 to 0.4")
