"""From the layouts in which people keep brain MRI to samples.

The layout is recognised (`shared.data.layouts`), in a folder or a `.zip`, below folders that wrap it all:

- folders by class, with or without Training and Testing above them: PNG, JPEG, TIFF, BMP, WebP or DICOM files;
- folders by site or patient, in each folders by class; the configuration says which of the two they are;
- a tree with `labels.csv`: DICOM files, pictures, NIfTI volumes;
- such a table given by its own path, file names relative to it.

Columns of a table: path (or image), label, and where known group, patient, domain, scanner, split, mask, slice, series,
number (order of a slice in its series), plane, contrast, and auxiliary labels under headings such as `label:plane`. A
file that states its series, place, plane or contrast is believed before the table; the contrast of a NIfTI volume that
the table does not state is read from its name (`medtl.volume_name`). The tags of a DICOM file say who and
where: a column `patient` or `scanner` that contradicts them is outvoted and a note says so. `group`, `domain` and the
folder of a site are the person's own choice and stand. A volume gives one sample a slice of the plane that was
acquired; with a column `slice` (from 0, from the feet up, from front to back or from left to right) only that one, else
all slices under the label of the volume. Slices are read in the view of `medtl.dicom.view`, as `predict` reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from medtl import labels
from medtl.class_words import nearest_class
from medtl.entries import samples_of
from medtl.foreign import foreign_kind
from medtl.masks import is_mask
from medtl.nifti import is_volume
from medtl.settings import Settings
from shared.data.layouts import (
    COLUMNS,
    ImageEntry,
    Search,
    collect,
    find_layout,
    split_name,
    synthetic_mark,
)
from shared.data.pseudonyms import Pseudonymiser
from shared.io.archives import faults_error, hash_sources
from shared.io.pictures import is_picture
from shared.samples import NO_MEANINGS, Dataset, Meanings, Sample

SYNTHETIC_MARK = "phantom.json"


def _may_be_image(name: str) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    # DICOM files often have no suffix, or end in a number: IM0001, 1.2.840.10008.
    return is_picture(name) or is_volume(name) or suffix in ("", ".dcm", ".dicom", ".ima") or suffix[1:].isdigit()


SEARCH = Search(
    columns=COLUMNS
    | {
        "patient": ("patient", "patient_id", "subject"),
        "scanner": ("scanner", "manufacturer"),
        "mask": ("mask",),
        "slice": ("slice", "frame"),
        "series": ("series",),
        "number": ("number", "slice_number", "slice number"),
        "plane": ("plane",),
        "contrast": ("contrast",),
    },
    is_image=_may_be_image,
    is_class=labels.is_known,
    example="glioma/, no_tumour/",
    classes=labels.KNOWN_CLASSES,
    nearest=nearest_class,
    is_mask=is_mask,
    kind=foreign_kind,
)


def load(
    source: Path, options: Mapping[str, Any], *, unlabelled: bool = False, meanings: Meanings = NO_MEANINGS
) -> Dataset:
    """Finds the samples in a folder, zip or table; reads headers, and no pixels.

    Args:
        source: The folder, `.zip`, or CSV table.
        options: Preprocessing options, the fields of `medtl.settings.Settings`.
        unlabelled: Whether all images count, and labels are not read; the samples then have none.
        meanings: What the configuration says of folders and labels that medtl does not know.

    Returns:
        The samples, their classes in the order of a network's outputs, and notes for the user.

    Raises:
        DataError: No layout is recognised, or something is missing or contradictory; all faults are counted.
        ConfigError: An option is unknown or its value is not allowed.
        MeaningError: A folder or label is not known, and `meanings` does not say what it is.
    """
    settings = Settings.of(options)
    layout = find_layout(source, SEARCH, unlabelled=unlabelled, meanings=meanings)
    _refuse_nested_classes(layout.entries)
    pseudonym = Pseudonymiser.of_this_user()
    counts = Counter[str]()
    samples = collect(layout, lambda entry: samples_of(entry, layout, pseudonym, counts))
    notes = [*layout.notes, *(text.format(count=count) for text, count in counts.items())]
    if settings.labels == "binary" and not unlabelled:
        samples = [_without_type(sample) for sample in samples]
    masks = dict.fromkeys(sample.mask for sample in samples if sample.mask)
    return Dataset(
        samples=tuple(samples),
        classes=labels.ordered(sample.label for sample in samples if sample.label),
        content_hash=hash_sources([*dict.fromkeys(sample.source for sample in samples), *masks]),
        synthetic=synthetic_mark(layout, SYNTHETIC_MARK) is not None or any(one.synthetic for one in samples),
        notes=tuple(notes),
        used=layout.used,
    )


def _without_type(sample: Sample) -> Sample:
    """Makes the label binary; the type of tumour becomes the auxiliary label `type`, where it is known."""
    label = sample.label or ""
    binary = labels.binary(label)
    auxiliary = sample.auxiliary if label == binary else {"type": label, **sample.auxiliary}
    return replace(sample, label=binary, auxiliary=auxiliary)


def _refuse_nested_classes(entries: Sequence[ImageEntry]) -> None:
    """Refuses a class within a class: the tree is another one than was thought, and the labels would be wrong."""
    faults = {}
    for entry in entries:
        for folder in entry.folders[1:]:
            if folder != entry.label and (split_name(folder) or labels.is_known(folder)):
                faults[entry.label, folder] = f"folder {folder} lies within what looks like the class {entry.label}"
    if faults:
        raise faults_error("folders contradict each other; give the folder right above the classes", [*faults.values()])
