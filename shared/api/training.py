"""Trains one run, several of consecutive seeds, or their mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.pipeline.ensemble import Average
    from shared.progress import Progress
    from shared.task import Task


def train_folders(
    task: Task,
    config: Config,
    seeds: int | None,
    root: Path,
    out: Path | None,
    average: Average | None,
    progress: Progress,
) -> tuple[list[Path], tuple[str, ...]]:
    """Trains as many runs as are asked for.

    Args:
        task: The application.
        config: The configuration.
        seeds: Number of runs, of consecutive seeds; None: one.
        root: Folder that holds run folders.
        out: The folder of the only run, or of the mean; None: one under `root`.
        average: What the mean is made of; None: no mean is made.
        progress: Called with (what, done, total, note).

    Returns:
        The folders of the runs, or that of the mean alone; and lines about what the mean costs.

    Raises:
        MedtlError: A run is refused or fails; the same call goes on where it ended.
    """
    if average is not None:
        from shared.pipeline.ensemble import train_ensemble

        folder, members = train_ensemble(
            task, config, seeds or 1, root=root, average=average, out=out, progress=progress
        )
        return [folder], cost_lines(task, folder, members[0], progress)
    if seeds is not None and seeds > 1:
        from shared.pipeline.ensemble import train_seeds

        return train_seeds(task, config, seeds, root=root, progress=progress), ()
    from shared.pipeline.train import run

    return [run(task, config, root=root, out=out, progress=progress)], ()


def cost_lines(task: Task, folder: Path, member: Path, progress: Progress) -> tuple[str, ...]:
    """Says how many parameters a mean of runs has and how long one image takes, beside the same of one member.

    Args:
        task: The application.
        folder: The run folder of the mean.
        member: The run folder of the member.
        progress: Called with (what, done, total, note).

    Returns:
        One line; none where the costs cannot be measured.
    """
    from shared.experiments.comparison.costs import measure_costs

    whole, one = measure_costs(task, [folder, member], progress)
    if whole is None or one is None:  # the log says why
        return ()
    parameters, latency = (whole[key] / one[key] for key in ("parameters", "latency_ms"))
    return (
        f"cost: {whole['parameters']:,} parameters, {parameters:.1f} x those of {member.name} ({one['parameters']:,}); "
        f"one image takes {whole['latency_ms']:.1f} ms here, {latency:.1f} x its {one['latency_ms']:.1f} ms",
    )
