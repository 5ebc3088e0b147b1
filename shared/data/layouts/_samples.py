"""From the entries of a layout to samples, in natural order and with all faults at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from shared.data.layouts._layout import ImageEntry, Layout
from shared.data.layouts._names import natural
from shared.errors import DataError
from shared.io.archives import exists, faults_error, read_source
from shared.samples import Sample


def collect(layout: Layout, samples_of: Callable[[ImageEntry], Iterable[Sample]]) -> list[Sample]:
    """Makes the samples of all entries of a layout.

    Args:
        layout: The layout that was found, with its entries.
        samples_of: Makes the samples of one entry; raises DataError where what the entry says cannot be.

    Returns:
        The samples in natural order of their paths, those of one file in the order of its frames.

    Raises:
        DataError: Entries are faulty or name the same image twice; all of them are counted.
    """
    faults: list[str] = []
    found: dict[tuple[str, int], tuple[ImageEntry, Sample]] = {}
    for entry in layout.entries:
        try:
            for sample in samples_of(entry):
                first, _ = found.setdefault((sample.source, sample.frame), (entry, sample))
                if first is not entry:
                    raise DataError(f"it names the same image as {first.place}")
        except DataError as error:
            faults.append(f"{entry.place}: {error}")
    if faults:
        raise faults_error(f"faults in {layout.table or layout.root.name}", faults)
    ordered = sorted(found.values(), key=lambda pair: (natural(pair[0].path), pair[1].frame))
    return [sample for _, sample in ordered]


def synthetic_mark(layout: Layout, name: str) -> Mapping[str, object] | None:
    """Reads the file that marks a dataset as synthetic, next to its table or its folders.

    Args:
        layout: The layout of the dataset.
        name: Name of the file, a JSON object in which `synthetic` is true.

    Returns:
        The whole JSON object; None where there is no such file, or it does not say `synthetic`.

    Raises:
        DataError: The file is not JSON.
    """
    mark = layout.source(name)
    if not exists(mark):
        return None
    try:
        content = json.loads(read_source(mark))
    except ValueError:
        raise DataError(f"{name} is damaged; make the synthetic data again") from None
    return content if isinstance(content, dict) and content.get("synthetic") is True else None
