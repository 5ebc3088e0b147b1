"""What the networks of a comparison were trained on before: rows that differ in it differ in more than the network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shared.runs.record import read_model_record


def pretraining_lines(runs: Iterable[Path]) -> list[str]:
    """Says once for each backbone and its weights what these were trained on; in the order of the runs.

    Args:
        runs: Finished run folders.
    """
    backbones = [trunk for run in runs for trunk in read_model_record(run).trunks]
    lines = [
        f"{one['name']} with weights {one['weights']['spec']}: pretrained on "
        f"{one['weights'].get('pretrained_on', 'what is not recorded')}."
        for one in backbones
    ]
    return list(dict.fromkeys(lines))
