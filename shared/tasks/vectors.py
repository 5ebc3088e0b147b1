"""A task of one's own on vectors: word counts, measurements, codes; from `.npz` or LIBSVM files, for any perceptron."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import ConfigError, DataError
from shared.samples import LEAVE_OUT, NO_MEANINGS, UNKNOWN_DOMAIN, Dataset, Meanings, Sample
from shared.task import Image, Item, Preprocessing, PreprocessingOptions
from shared.tasks.defaults import TaskDefaults
from shared.tasks.images import check_task_name, ordered_classes, own_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shared.tasks.vector_files import VectorFile

TRANSFORMS = ("none", "log1p")


@dataclass(frozen=True)
class VectorOptions(PreprocessingOptions):
    """The options of a `VectorTask`'s preprocessing.

    Attributes:
        transform: What is done to each value: "none", or "log1p", the logarithm of one more, for counts.
    """

    transform: str = "none"

    def __post_init__(self) -> None:
        if self.transform not in TRANSFORMS:
            raise ConfigError(f"transform is {self.transform!r}; allowed are {' and '.join(TRANSFORMS)}")


class VectorTask(TaskDefaults):
    """Classifies vectors of a fixed width.

    The data are `.npz` files (X [N, width], y [N], and where known groups, domains and splits, each [N]) or LIBSVM text
    (`.svmlight`): one file, or a folder or zip of them, of which each is a domain under its name; `books_train` and
    `books_test` are splits of the domain `books`.

    The engine works on square pictures, so a vector is laid out by rows as one of `side` x `side`, with zeros at its
    end. Perceptrons (`mlp/100`, `mlp/standardised/100`) read it by rows again. A vector is a copy of another only where
    all values are equal.

    Args:
        name: Word for run folders and messages: lower-case letters, digits and underscores.
        width: Number of values of a vector, 1 to 1,048,576.
        title: One line for headings; None: the name.
        labels: The class that each label of the files means ({"-1": "negative", "1": "positive"}); empty: labels are
            classes.
        positive: The class that must not be missed; None: none is more dangerous to miss than another.
        group_name: What a group of vectors is, in a word: vectors of one group never stand on two sides of a split.
        disclaimers: Sentences that every answer and report carries.
        transform: Default of the option `transform`: "none" or "log1p".
        zero_based: Whether the first value has index 0 in LIBSVM text, in place of 1.

    Raises:
        ConfigError: Name, width or transform is not allowed.
    """

    inputs_help = "A file of vectors (.npz or .svmlight), or a folder or zip of them."
    input_example = "vector.npz"
    data_example = "vectors.npz"
    exact_copies = True

    def __init__(
        self,
        name: str,
        *,
        width: int,
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
        positive: str | None = None,
        group_name: str = "group",
        disclaimers: Sequence[str] = (),
        transform: str = "none",
        zero_based: bool = False,
    ) -> None:
        check_task_name(name)
        if not 1 <= width <= 1024**2:
            raise ConfigError(f"width is {width}; allowed are 1 to {1024**2}")
        self.name, self.title, self.width = name, title or name, width
        self.labels = dict(labels or {})
        self.positive_name, self.group_name, self.disclaimers = positive, group_name, tuple(disclaimers)
        self.zero_based = zero_based
        self.default_options = {"transform": VectorOptions(transform).transform}

    @property
    def side(self) -> int:
        """Side of the square on which a vector is laid out: what `backbone.size` must be."""
        return math.isqrt(self.width - 1) + 1

    def backbone(self, hidden: Sequence[int] = (100,), *, standardised: bool = True) -> dict[str, Any]:
        """Makes the section `backbone` of a configuration: a perceptron with random weights for these vectors.

        Args:
            hidden: Width of each hidden layer.
            standardised: Whether it first brings each value to mean 0 and variance 1 over the training data; counts
                with `log1p` need that not.
        """
        widths = "x".join(map(str, hidden))
        name = f"mlp/standardised/{widths}" if standardised else f"mlp/{widths}"
        return {"name": name, "weights": "random", "size": self.side}

    def settings(self, hidden: Sequence[int] = (100,), *, standardised: bool = True) -> dict[str, Any]:
        """Makes settings for `shared.api.application.Application`: that backbone, and vectors as they are.

        Args:
            hidden: As in `backbone`.
            standardised: As in `backbone`.
        """
        made = {f"backbone.{key}": value for key, value in self.backbone(hidden, standardised=standardised).items()}
        return {**made, "strategy.augmentation": "none"}

    def load(
        self, source: Path, *, options: Mapping[str, Any], unlabelled: bool = False, meanings: Meanings = NO_MEANINGS
    ) -> Dataset:
        """Finds the samples in a file, folder or zip of vectors.

        Args:
            source: The `.npz` or `.svmlight` file, the folder or the zip.
            options: Preprocessing options.
            unlabelled: Whether labels are not read.
            meanings: What the configuration says of labels: the class that each means, or that it is left out.

        Raises:
            DataError: There is no such file, a file is damaged, or a label is missing.
        """
        from shared.io.archives import hash_sources
        from shared.tasks import vector_files

        sources = vector_files.vector_sources(source)
        found = [one for file in sources for one in self._samples(source, file, len(sources), unlabelled=unlabelled)]
        kept = [one for sample in found if (one := _told(sample, meanings)) is not None]
        used = {f"data.classes.{sample.label}" for sample in found if sample.label in meanings.classes}
        return Dataset(
            samples=tuple(kept),
            classes=ordered_classes(tuple(dict.fromkeys(self.labels.values())), kept),
            content_hash=own_hash(self.name, hash_sources(sources)),
            used=frozenset(used),
        )

    def is_positive(self, label: str) -> bool:
        """Says whether a class is the one that must not be missed."""
        return label == self.positive_name

    def canonical(self, name: str) -> str:
        """Returns the class that a label of the files means."""
        return self.labels.get(name.strip(), name.strip())

    def read(self, sample: Sample) -> NDArray[np.float32]:
        """Reads one vector as a picture of one line, float32 [1, width].

        Raises:
            DataError: The file is damaged, or a value is not finite; the message names the file.
        """
        from shared.io.archives import naming

        row = self._file(sample.source).row(sample.frame)
        with naming(f"{sample.source}#{sample.frame}"):
            _check_finite(row)
        return row

    def preprocess(self, pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
        """Lays a vector out by rows as a square, float32 [1, side, side], zeros at its end.

        Args:
            pixels: Finite, [1, width].
            spec: Its size is `side`; the option `transform` is "none" or "log1p".

        Raises:
            DataError: The vector has another width, a value is not finite, or one whose logarithm is asked for is -1 or
                less.
            ConfigError: `spec` has another size.
        """
        import numpy as np

        if spec.size != self.side:
            raise ConfigError(
                f"backbone.size is {spec.size}; vectors of {self.width} values take backbone.size={self.side}"
            )
        if pixels.shape != (1, self.width):
            raise DataError(f"the vector has shape {pixels.shape}; allowed is (1, {self.width})")
        values = pixels[0]
        _check_finite(values)
        if VectorOptions.of(spec.options).transform == "log1p":
            if not (values > -1).all():
                raise DataError("has a value of -1 or less, of which transform=log1p takes no logarithm")
            values = np.log1p(values)
        square = np.zeros(self.side**2, dtype=np.float32)
        square[: self.width] = values
        return square.reshape(1, self.side, self.side)

    def images(
        self,
        samples: Sequence[Sample],
        spec: Preprocessing,
        content_hash: str,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Sequence[Image]:
        """Prepares the vectors of samples for training, kept in memory, 4 bytes a value.

        Args:
            samples: The samples, in the order of the result.
            spec: Preprocessing of the vectors.
            content_hash: Not used: nothing is kept from one run to the next.
            progress: Called with (vectors done, vectors in all).

        Raises:
            DataError: A vector cannot be read.
        """
        made = []
        for done, sample in enumerate(samples, start=1):
            made.append(self.preprocess(self.read(sample), spec))
            progress(done, len(samples))
        return made

    def augment(self, images: Any, seeds: Sequence[int], kind: str = "") -> Any:
        """Refuses: vectors are not varied.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{self.name} has vectors, which are not augmented; set strategy.augmentation=none")

    def read_inputs(self, paths: Sequence[Path]) -> Iterable[Item]:
        """Reads the inputs of `predict`, an item for each vector; a damaged file is one item with a refusal.

        Args:
            paths: Files of vectors, and folders and zips of them.

        Raises:
            UsageError: A path does not exist; nothing has been read then.
        """
        from shared.io.archives import require_paths

        require_paths(paths, "a file of vectors, or a folder or zip of them")
        return (item for path in paths for item in self._items(path))

    def _items(self, path: Path) -> Iterator[Item]:
        from shared.tasks import vector_files

        try:
            sources = vector_files.vector_sources(path)
        except DataError as error:
            yield Item(str(path), refusal=str(error))
            return
        for source in sources:
            try:
                file = self._file(source)
            except DataError as error:
                yield Item(source, refusal=str(error))
                continue
            for row in range(file.rows.shape[0]):
                yield Item(f"{source}#{row}", slices=(file.row(row),))

    def _file(self, source: str) -> VectorFile:
        from shared.tasks import vector_files

        return vector_files.read_vectors(source, self.width, zero_based=self.zero_based)

    def _samples(self, root: Path, source: str, files: int, *, unlabelled: bool) -> Iterator[Sample]:
        """Makes the samples of one of so many files; several files are domains by their names."""
        from shared.data.layouts import parse_split
        from shared.data.pseudonyms import Pseudonymiser
        from shared.tasks import vector_files

        file, name, pseudonym = self._file(source), vector_files.name_of(source, root), Pseudonymiser.of_this_user()
        if file.labels is None and not unlabelled:
            raise DataError(f"{root.name} has vectors without labels (no array y)")
        named, split = vector_files.domain_and_split(source) if files > 1 else ("", None)
        for row in range(file.rows.shape[0]):
            domain, own = file.domains[row] if file.domains else named, pseudonym("vector", f"{name}#{row}")
            yield Sample(
                id=own,
                source=source,
                label=None if unlabelled or file.labels is None else self.canonical(file.labels[row]),
                group=pseudonym("group", f"{domain}/{file.groups[row]}") if file.groups else None,
                domain=domain or UNKNOWN_DOMAIN,
                split=parse_split(file.splits[row]) if file.splits else split,
                frame=row,
                series=own,  # each vector is judged by itself, those of one group too
            )


def _check_finite(values: NDArray[np.float32]) -> None:
    import numpy as np

    if not np.isfinite(values).all():
        raise DataError("has a value that is no finite number")


def _told(sample: Sample, meanings: Meanings) -> Sample | None:
    """The sample with the class that the configuration says its label means; None where it is to be left out."""
    meaning = meanings.classes.get(sample.label or "")
    if meaning == LEAVE_OUT:
        return None
    return sample if meaning is None else replace(sample, label=meaning)
