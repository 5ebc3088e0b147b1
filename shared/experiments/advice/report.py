"""The files of an advice: `advice.json`, `advised.yaml` for `train`, and a page that stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.config.named import package_folder
from shared.config.schema import Config
from shared.evaluation.text import column_heading, disclaimers, measure_text
from shared.experiments.advice.text import (
    as_yaml,
    data_lines,
    depth_text,
    missing_lines,
    recipe_text,
    scenario_text,
    verdict_lines,
    why,
)
from shared.io.atomic import write_json, write_text
from shared.reporting.class_report import scale_start
from shared.reporting.html import template
from shared.task import Task

CONFIGURATION = "advised.yaml"


def write_advice(task: Task, tree: Mapping[str, Any], config: Config, folder: Path) -> None:
    """Writes an advice as `advice.json`, `advised.yaml` and `advice.html` into a folder.

    Args:
        task: The application.
        tree: Measurements and advice, the first result of `shared.experiments.advice.advise.advise`.
        config: The advised configuration, its second result.
        folder: Existing folder.
    """
    write_json(folder / "advice.json", tree)
    text = as_yaml(tree, config)
    write_text(folder / CONFIGURATION, text)
    page = template("advice.html").render(
        name=folder.name,
        kind="advice",
        title=task.title,
        verdict=verdict_lines(tree, config),
        disclaimers=disclaimers(task, tree["synthetic"]),
        measure=column_heading(tree["measure"]),
        candidates=[_candidate(one, tree["advised"]) for one in tree["candidates"]],
        why=why(tree),
        command=f"{task.name} train {CONFIGURATION}" if package_folder(task.name) else f"train({CONFIGURATION!r})",
        config="".join(line for line in text.splitlines(keepends=True) if not line.startswith("#")),
        backbones=[_backbone(one) for one in tree["backbones"]],
        missing=missing_lines(tree),
        made=[
            *(line.rstrip(".") for line in data_lines(tree["data"])),
            f"scenario: {scenario_text(tree['scenario'])}",
            f"measured in {tree['seconds']:.0f} s",
        ],
        **{"from": scale_start(tree["candidates"])},
    )
    write_text(folder / "advice.html", page)


def _candidate(one: Mapping[str, Any], advised: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table of candidates."""
    gain = one["gain"]
    error = "" if gain is None or gain["error"] is None else f" ± {gain['error']:.3f}"
    return {
        "words": f"{one['name']}, {recipe_text(one)}",
        "measure": one,
        "value": measure_text(one),
        "gain": "-" if gain is None else f"{gain['value']:+.3f}{error}",
        "images": one["images"],
        "side": one["side"],
        "advised": one == advised,
    }


def _backbone(one: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table of backbones."""
    return {
        "name": one["name"],
        "log_me": f"{one['log_me']:.3f}",
        "h_score": f"{one['h_score']:.2f}",
        "over_depth": depth_text(one),
        "pretrained_on": one["pretrained_on"],
    }
