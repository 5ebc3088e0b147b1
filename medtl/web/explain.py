"""What the process that explains does for `medtl serve`: the attribution of one slice, checked. It needs torch."""

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
from shared.web.judging import Judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.reporting.explainer import Explanation

LEVELS = 127
"""Of a signed byte: the overlay's opacity needs no finer steps."""


class ExplainWork(Judge):
    """The work of the process that explains; see `shared.web.workers`."""

    def explain(self, files: Path, results: Path, index: int, number: int, tell: Callable[..., None]) -> dict[str, Any]:
        """Explains one slice and writes the map for the viewer.

        Args:
            files: What was uploaded.
            results: Folder for what was found.
            index: Of the item, from 0.
            number: Of the slice, from 1.
            tell: Is called with what is being done.

        Returns:
            As `map_facts` reads it.

        Raises:
            MedtlError: It cannot be explained, for a reason that may be shown.
        """
        folder = item_folder(results, index)
        if (known := map_facts(folder, number)) is not None:
            return known  # asked for again while it was computed
        tell("reading")
        item, _ = self.item(files, index)
        answer = self.predictor.assess(item)
        if answer.status == "refused" or not 1 <= number <= len(item.slices):
            raise InputRefused("has no such slice to be explained")
        pixels = item.slices[number - 1]
        # alone in its item, yet towards the class of the whole answer
        alone = replace(item, slices=(pixels,)), replace(answer, slices=answer.slices[number - 1 : number])
        tell("loading the network")
        self._explainer.out = folder
        tell("computing the map and its checks; this takes some seconds")
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
    """The file of the map of a slice: int8 [rows, columns], 127 the strongest."""
    return f"map-{number:05d}.bin"


def facts_name(number: int) -> str:
    """The file of what is known of that map."""
    return f"map-{number:05d}.json"


def map_facts(folder: Path, number: int) -> dict[str, Any] | None:
    """What is known of the map of a slice: `label`, `method`, `believable`, `faults`; None where there is no map."""
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
