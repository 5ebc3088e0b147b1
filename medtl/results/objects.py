"""Answers as DICOM objects in the study of the images: structured report, secondary captures, parametric map.

Importing this module takes a second, because of highdicom: import it where objects are made. Where highdicom is not
installed, the import raises a UsageError that says how to install it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.results.identity import ResultIdentity, stamp_implementation
from medtl.results.source_images import read_sources
from medtl.transforms import restore
from shared.errors import DataError, UsageError
from shared.extras import missing
from shared.prediction.answer import Answer
from shared.runs.record import ModelRecord
from shared.task import Item

try:
    from medtl.results.parametric_map import parametric_map
    from medtl.results.secondary_capture import captures
    from medtl.results.structured_report import report
except ModuleNotFoundError as error:
    if error.name != "highdicom":
        raise
    raise UsageError(missing("DICOM output", error.name)) from None

logger = logging.getLogger(__name__)


def result_objects(
    item: Item,
    answer: Answer,
    record: ModelRecord,
    maps: Mapping[int, NDArray[np.float32]] | None = None,
    map_label: str | None = None,
) -> list[Any]:
    """Makes the DICOM objects of one answer.

    The same series judged by the same model gives objects of the same UIDs, so that an archive keeps one of them; where
    the verdict or the certificate has changed meanwhile, the UIDs are others, for the objects say something else.

    Args:
        item: The series that was judged, with its origins.
        answer: The answer about `item`.
        record: Record of the model that answered.
        maps: Attributions of some slices, by slice number from 1: float32 [size, size] on the grid of the preprocessed
            image, as `shared.explanation.attribution` computes them.
        map_label: The class whose score the maps explain; None stands for the likeliest class.

    Returns:
        pydicom datasets: a Comprehensive SR; Secondary Captures of the most suspicious slices and of those
        with maps; with maps also a Parametric Map, unless the sources lack the geometry, which is then logged.
        A refused answer gives the report alone, and one that was not assessed no map.

    Raises:
        DataError: The item was not read from DICOM MR images, the images lack an element that every object needs, or a
            map has no slice or is not finite.
    """
    sources = read_sources(item)
    towards = map_label or answer.label or ""
    maps = maps or {}
    trained = "" if answer.provenance is None else answer.provenance.finished
    # what may change without the model: later tests enter the verdict, and further runs the certificate
    of_model = (trained, answer.verdict, str(answer.certified_sensitivity), str(answer.chosen_among))
    context = (answer.status, answer.reason or "", *of_model, towards if maps else "", *map(str, sorted(maps)))
    identity = ResultIdentity(sources, record, answer.model, context)
    objects = [report(identity, answer)]
    if answer.status != "refused":
        restored = _restored(item, record, maps if answer.status == "assessed" else {})
        objects += captures(identity, answer, item, restored, towards)
        if restored:
            objects += _attributions(identity, _stored(item, identity, restored), towards)
    stamp_implementation(objects)
    return objects


def _restored(
    item: Item, record: ModelRecord, maps: Mapping[int, NDArray[np.float32]]
) -> dict[int, NDArray[np.float32]]:
    """Brings the maps onto the grids of their slices, in the view in which these were judged."""
    strange = sorted(set(maps) - set(range(1, len(item.slices) + 1)))
    if strange:
        raise DataError(f"there is a map of slice {strange[0]}; the input has slices 1 to {len(item.slices)}")
    if not all(np.isfinite(one).all() for one in maps.values()):
        raise DataError("a map has values that are not finite")
    return {number: restore(one, item.slices[number - 1], record.preprocessing) for number, one in maps.items()}


def _stored(
    item: Item, identity: ResultIdentity, maps: Mapping[int, NDArray[np.float32]]
) -> dict[int, NDArray[np.float32]]:
    """Brings the maps from the view onto the stored pixels of their slices."""
    found = {}
    for number, values in maps.items():
        instance = identity.sources.frames[number - 1].instance
        found[number] = item.view.undo(values, (int(instance.Rows), int(instance.Columns)))
    return found


def _attributions(identity: ResultIdentity, maps: Mapping[int, NDArray[np.float32]], towards: str) -> list[Any]:
    try:
        return [parametric_map(identity, maps, towards)]
    except DataError as error:
        # The report and the pictures say the same; they need no geometry.
        logger.warning("%s", error)
        return []
