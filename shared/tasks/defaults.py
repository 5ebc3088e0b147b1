"""The defaults of a task: what an application has whose images have no masks, no size in mm and no series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import ConfigError, DataError
from shared.registry import unknown_name
from shared.samples import UNKNOWN_DOMAIN, Sample
from shared.task import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TaskDefaults:
    """Members of `shared.task.Task` with their defaults; an application overrides those in which it differs.

    What it must add: `name`, `title`, `inputs_help`, `load`, `read`, `preprocess`, `images` and `read_inputs`.
    """

    name: str
    positive_name: str | None = None
    disclaimers: tuple[str, ...] = ()
    group_name: str = "group"
    channels: int = 1
    flip_invariant: bool = False
    altered_copies: bool = False
    exact_copies: bool = False
    input_example: str = "image.png"
    data_example: str = "images.zip"
    synthetic_name: str = ""
    default_options: Mapping[str, Any] = {}
    augmentations: tuple[str, ...] = ()
    batched_augmentations: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    series_kinds: tuple[str, ...] = ()

    def synthetic_domains(self) -> tuple[str, ...]:
        """Returns the one domain of data whose origin is not stated."""
        return (UNKNOWN_DOMAIN,)

    def synthetic_dataset(self, root: Path, progress: Callable[[int, int], None]) -> Path:
        """Refuses, because nothing can be made up in place of the data.

        Raises:
            DataError: Always.
        """
        raise DataError(f"no data are named, and {self.name} has no synthetic ones; name yours with data.source=PATH")

    def is_positive(self, label: str) -> bool:
        """Returns False for every label: no class is more dangerous to miss than another."""
        return False

    def auxiliary(self, sample: Sample) -> Mapping[str, str]:
        """Returns the auxiliary labels that the data state of a sample, by the name of their task."""
        return dict(sample.auxiliary)

    def canonical(self, name: str) -> str:
        """Returns the name of a class without blanks at its ends."""
        return name.strip()

    def display_name(self, label: str) -> str:
        """Returns the name of a class for people, which is the label itself."""
        return label

    def read_mask(self, sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
        """Returns None for every sample: there are no masks."""
        return None

    def pixel_mm(self, sample: Sample, spec: Preprocessing) -> float | None:
        """Returns None for every sample: nothing states how large it is."""
        return None

    def unjudged(
        self, samples: Sequence[Sample], progress: Callable[[int, int], None] = lambda *_: None
    ) -> NDArray[np.bool_]:
        """Tells which samples `predict` leaves out, bool [N]: none, as each is judged on its own."""
        import numpy as np

        return np.zeros(len(samples), dtype=np.bool_)

    def register_backbones(self) -> None:
        """Does nothing: there are no backbones besides the engine's."""

    def check_augmentation(self, kind: str) -> None:
        """Checks that a kind of augmentation is one of `augmentations`.

        Raises:
            ConfigError: It is not.
        """
        if kind not in self.augmentations:
            raise ConfigError(unknown_name("augmentation", kind, list(self.augmentations)))
