"""The options of medtl's preprocessing, checked. Nothing heavy is imported here, for `--help` needs them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import ConfigError
from shared.task import PreprocessingOptions


@dataclass(frozen=True)
class Settings(PreprocessingOptions):
    """The options of medtl's preprocessing.

    Attributes:
        labels: "kind" keeps the classes, "binary" makes one class, tumour, of all that are not healthy.
        crop: Whether to cut out the head.
        margin: Rim kept around the head on each side, as a fraction of its longer side, 0 to 1.
        lower_percentile: Percentile of the whole image's intensities that becomes 0; background counts, for next to a
            very bright tumour the head's threshold may lie above healthy tissue, which must not turn black.
        upper_percentile: Percentile of the head's intensities, background left out, that becomes 1.
    """

    labels: str = "kind"
    crop: bool = True
    margin: float = 0.05
    lower_percentile: float = 0.5
    upper_percentile: float = 99.5

    def __post_init__(self) -> None:
        if self.labels not in ("kind", "binary"):
            raise ConfigError(f"labels is {self.labels!r}; allowed are 'kind' and 'binary'")
        if not 0 <= self.margin <= 1:
            raise ConfigError(f"margin is {self.margin}; allowed are 0 to 1")
        if not 0 <= self.lower_percentile < self.upper_percentile <= 100:
            raise ConfigError(
                f"lower_percentile {self.lower_percentile} and upper_percentile {self.upper_percentile} "
                "must rise and lie within 0 to 100"
            )
