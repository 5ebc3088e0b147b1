"""The work of the explaining process of `medtl serve`: a checked attribution map of one slice. It needs torch."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medtl.results.slice_picture import smoothed
from medtl.transforms import restore
from medtl.web.work import item_folder
from shared.errors import InputRefused
from shared.io.atomic import write_bytes, write_json
from shared.processes.worker import Report
from shared.web.upload_work import UploadWork

if TYPE_CHECKING:
    from shared.reporting.explainer import Explanation

LEVELS = 127
"""Largest value of a map, a signed byte: the overlay's opacity needs no finer steps."""


class ExplainWork(UploadWork):
    """The work of the explaining process; its methods are called through `shared.processes.worker`."""

    def explain(self, files: Path, results: Path, index: int, number: int, report: Report) -> dict[str, Any]:
        """Explains one slice and writes the map for the viewer.

        Args:
            files: Folder of the uploaded files.
            results: Folder of the results.
            index: Number of the item, from 0.
            number: Number of the slice, from 1.
            report: Called with the current step in words.

        Returns:
            The facts that `map_facts` reads; those of an explained slice are not computed again.

        Raises:
            MedtlError: The slice cannot be explained; the reason may be shown.
        """
        folder = item_folder(results, index)
        if (known := map_facts(folder, number)) is not None:
            return known  # requested again while it was computed
        report("reading")
        item, _ = self.item(files, index)
        answer = self.predictor.assess(item)
        if answer.status == "refused" or not 1 <= number <= len(item.slices):
            raise InputRefused(f"has no slice {number} that can be explained; its slices are 1 to {len(item.slices)}")
        pixels = item.slices[number - 1]
        # the slice alone, explained towards the class of the whole answer
        alone = replace(item, slices=(pixels,)), replace(answer, slices=answer.slices[number - 1 : number])
        report("loading the network")
        self._explainer.out = folder
        report("computing the map and its checks; this takes some seconds")
        (found,) = self._explainer.explain(*alone)
        values = smoothed(restore(found.attribution, pixels, self.predictor.record.preprocessing))
        full = float(np.abs(values).max())
        scaled = values * (LEVELS / full) if full > 0 else values
        write_bytes(folder / map_name(number), np.rint(scaled).astype(np.int8).tobytes())
        for path in (found.picture, found.raw):
            path.unlink()
        facts = _facts(found)
        write_json(folder / facts_name(number), facts)
        return facts

    @cached_property
    def _explainer(self) -> Any:
        from shared.reporting.explainer import Explainer

        return Explainer(self.task, self.run, self.run, slices=1)


def map_name(number: int) -> str:
    """Returns the file name of the map of a slice, which holds int8 [rows, columns], -127 to 127.

    Args:
        number: Number of the slice, from 1.
    """
    return f"map-{number:05d}.bin"


def facts_name(number: int) -> str:
    """Returns the file name of the facts about the map of a slice, a JSON file.

    Args:
        number: Number of the slice, from 1.
    """
    return f"map-{number:05d}.json"


def map_facts(folder: Path, number: int) -> dict[str, Any] | None:
    """Reads the facts about the map of a slice.

    Args:
        folder: Folder with the results of the item.
        number: Number of the slice, from 1.

    Returns:
        A dict with the keys `label`, `method`, `status`, `believable` and `faults`, as in `medtl.web.app.MapFacts`;
        None where the slice has not been explained.
    """
    path = folder / facts_name(number)
    found: dict[str, Any] | None = json.loads(path.read_bytes()) if path.is_file() else None
    return found


def _facts(found: Explanation) -> dict[str, Any]:
    verdict = found.verdict
    return {
        "label": found.label,
        "method": found.method,
        "status": found.status,
        "believable": verdict is not None and verdict.believable,
        "faults": [] if verdict is None else list(verdict.faults),
    }
