"""What a person hands to `predict`: DICOM files, series, folders, archives, pictures and volumes, each as items."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medtl.dicom_reader import DicomHeader, DicomImage, read_dicom, read_header
from medtl.dicom_rules import check_suitable
from medtl.pixels import is_picture, is_volume, read_picture, read_volume
from shared.errors import DataError, InputRefused
from shared.sources import SEPARATOR, is_zip, list_sources, read_source
from shared.task import Item

MAX_SLICES = 4096
MIN_SIDE = 48
"""Pixels. The coarsest clinical matrices (functional imaging) have 64; the icons in DICOMDIR sets have 16."""
GAP = 1.5
"""A distance between neighbouring slices of more than this times the median is called a gap."""
SAME_POSITION_MM = 0.01
SAME_ORIENTATION = 0.999
"""Cosine between slice normals (2.6 degrees): below it the slices are not parallel."""
IGNORED = re.compile(r"(^|/)(DICOMDIR|LICENSE|README[^/]*|.*\.(txt|md|json|csv))$", re.IGNORECASE)
"""Files that lie beside scans and are no scans."""


@dataclass(frozen=True)
class _Member:
    """One file of a folder or archive, known by its header."""

    source: str
    header: DicomHeader


def items(paths: Sequence[Path]) -> Iterator[Item]:
    """The items of all paths, one after the other; a series is one item, a picture or volume is one item.

    Content that cannot or must not be judged comes as a refused item.

    Raises:
        DataError: A path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist")
    for path in paths:
        if path.is_dir() or is_zip(path):
            yield from _collection(path)
        elif path.name.upper() == "DICOMDIR":
            yield from _collection(path.parent)
        else:
            yield _file(str(path), str(path))


def _collection(root: Path) -> Iterator[Item]:
    try:
        sources = [source for source in list_sources(root) if not IGNORED.search(_name(source))]
    except DataError as error:
        yield Item(str(root), refusal=str(error))
        return
    if not sources:
        yield Item(str(root), refusal="it holds no file that could be a scan")
        return
    series: dict[str, list[_Member]] = {}
    for source in sources:
        if is_picture(source) or is_volume(source):
            yield _file(source, source)
            continue
        try:
            header = read_header(read_source(source))
        except (InputRefused, DataError) as error:
            yield Item(source, refusal=str(error))
            continue
        # multi-frame objects and objects without a series stand for themselves
        alone = header.frames > 1 or not header.series_uid
        series.setdefault(source if alone else str(header.series_uid), []).append(_Member(source, header))
    for number, members in enumerate(series.values(), start=1):
        if len(members) == 1:
            yield _file(members[0].source, members[0].source if len(series) > 1 or len(sources) > 1 else str(root))
        else:
            yield _series(str(root) if len(series) == 1 else f"{root} (series {number})", members)


def _name(source: str) -> str:
    return source.rpartition(SEPARATOR)[2]


def _file(source: str, name: str) -> Item:
    try:
        data = read_source(source)
        if is_picture(source):
            return _item(name, [read_picture(data)])
        if is_volume(source):
            return _item(name, list(read_volume(data)))
        check_suitable(read_header(data))
        frames, notes = _in_order([read_dicom(data)])
        return _item(name, frames, notes)
    except (InputRefused, DataError) as error:
        return Item(name, refusal=str(error))


def _series(name: str, members: Sequence[_Member]) -> Item:
    if len(members) > MAX_SLICES:
        return Item(name, refusal=f"the series has {len(members)} slices; at most {MAX_SLICES} are judged at once")
    images, faults = [], []
    try:
        for member in members:
            check_suitable(member.header)
        for member in members:
            try:
                images.append(read_dicom(read_source(member.source)))
            except (InputRefused, DataError) as error:
                faults.append(str(error))
        if faults:
            raise InputRefused(f"{len(faults)} of {len(members)} slices cannot be judged (the first: {faults[0]})")
        frames, notes = _in_order(images)
    except InputRefused as error:
        return Item(name, refusal=str(error))
    return _item(name, frames, notes)


def _item(name: str, slices: Sequence[NDArray[np.float32]], notes: Sequence[str] = ()) -> Item:
    if min(min(one.shape[:2]) for one in slices) < MIN_SIDE:
        return Item(name, refusal=f"its slices are smaller than {MIN_SIDE} pixels a side: an icon, not a scan")
    if all(one.max() == one.min() for one in slices):
        return Item(name, refusal="all its pixels have the same value")
    if not all(np.isfinite(one).all() for one in slices):
        return Item(name, refusal="its pixel values are not all finite")
    return Item(name, slices=slices, notes=tuple(notes))


def _in_order(images: Sequence[DicomImage]) -> tuple[list[NDArray[np.float32]], list[str]]:
    """All frames sorted by position along the slice normal, with what is remarkable about their geometry.

    Raises:
        InputRefused: The slices lie in different orientations.
    """
    frames = [frame for image in images for frame in image.frames]
    if len(frames) == 1:
        return frames, []
    planes = [plane for image in images for plane in image.header.orientations]
    places = [place for image in images for place in image.header.positions]
    if any(plane is None for plane in planes) or any(place is None for place in places):
        return _by_number(images), ["slice positions are missing: slices are in the order of their instance numbers"]
    normals = np.array([np.cross(plane[:3], plane[3:]) for plane in planes if plane is not None])
    if (normals @ normals[0] < SAME_ORIENTATION).any():
        raise InputRefused("its slices lie in different orientations; give one series a time")
    along = np.array([np.dot(normals[0], place) for place in places if place is not None])
    order = np.argsort(along, kind="stable")
    return [frames[i] for i in order], _remarks(along[order])


def _by_number(images: Sequence[DicomImage]) -> list[NDArray[np.float32]]:
    ordered = sorted(images, key=lambda image: image.header.instance_number or 0)
    return [frame for image in ordered for frame in image.frames]


def _remarks(along_mm: NDArray[np.float64]) -> list[str]:
    steps = np.diff(along_mm)
    twice = int((steps < SAME_POSITION_MM).sum())
    remarks = [f"{twice} slices lie at the position of another"] if twice else []
    distinct = steps[steps >= SAME_POSITION_MM]
    if len(distinct) and (distinct > GAP * np.median(distinct)).any():
        gaps = int((distinct > GAP * np.median(distinct)).sum())
        remarks.append(f"{gaps} gaps between slices: what lies in a gap was not looked at")
    return remarks
