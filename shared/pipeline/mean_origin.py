"""What a mean of runs states of its origin: its members, what was averaged, and among how many models it was chosen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from shared.config.describe import without_folders
from shared.config.schema import Config
from shared.io.atomic import read_json
from shared.pipeline.origin import NOT_CERTIFIED, Origin
from shared.pipeline.trained import Trained
from shared.runs.certificate import models_among
from shared.runs.configuration import MEMBERS, Written, to_text
from shared.runs.members import Member, models_in_all, name_backbones
from shared.runs.seen import Seen
from shared.task import Task


def origin_of_mean(members: Sequence[Member], trained: Trained, kind: str, *, choices: int, average: str) -> Origin:
    """Puts together what the record and the report state of where a mean comes from.

    Args:
        members: The runs.
        trained: The mean, with the data that it is judged on.
        kind: What was averaged, "answers" or "weights".
        choices: Number of models among which validation chose it.
        average: What was asked for: the same, or "auto".
    """
    rule, known = members[0].record.copy_rule, set(trained.data.notes)
    seen = Seen.none(rule)
    notes = [_note(members, kind, choices)]
    for member in members:
        seen = seen.joined(Seen.read(member.folder, rule))
        own = read_json(member.folder / "report.json").get("notes", [])
        notes += [f"{member.name}: {note}" for note in own if note not in known]
    rules = [member.record.operating_point or member.record.rejection or {} for member in members]
    unsound = not trained.data.sound or any(one.get("statement") == NOT_CERTIFIED for one in rules)
    return Origin(
        backbone=_backbone(members, kind),
        config=to_text(written_config(members, average).cut),
        choices=choices,
        seen=seen,
        uncertified=NOT_CERTIFIED if unsound else None,
        notes=tuple(notes),
    )


def _backbone(members: Sequence[Member], kind: str) -> dict[str, Any]:
    """What the model record says of the backbone of a mean: see `shared.runs.record.ModelRecord`."""
    runs = [{"run": member.name, "weights_hash": member.record.weights_hash} for member in members]
    trunks = [dict(member.record.backbone) for member in members]
    if kind == "weights":
        return {**trunks[0], "mean_of": runs}
    return {"name": name_backbones(members), "mean_of": runs, "members": trunks}


def _note(members: Sequence[Member], kind: str, choices: int) -> str:
    counts = " x ".join(str(models_among(member.record)) for member in members)
    both = "" if choices == models_in_all(members) else " x 2, for it then chose between answers and weights"
    return (
        f"This model is the mean of the {kind} of {len(members)} runs: {', '.join(member.name for member in members)}. "
        f"It counts as chosen on validation among {choices} models: {counts}, among which the runs were chosen{both}."
    )


def name_of_mean(task: Task, members: Sequence[Member], average: str) -> str:
    """Names the run folder of a mean: task, name of the first configuration, number of members, and a hash of all.

    Args:
        task: The application.
        members: The runs.
        average: What is averaged.
    """
    facts = json.dumps([average, [member.record.weights_hash for member in members]])
    digest = hashlib.sha256(facts.encode()).hexdigest()[:8]
    return f"{task.name}-{members[0].config.name}-mean{len(members)}-{digest}"


def written_config(members: Sequence[Member], average: str) -> Written:
    """Makes what stands in the place of a configuration: what was averaged, and the members with theirs.

    Args:
        members: The runs.
        average: What is averaged.
    """

    def tree(configs: Sequence[Config]) -> dict[str, Any]:
        rows = [
            {"run": member.name, "weights_hash": member.record.weights_hash, "config": config.model_dump(mode="json")}
            for member, config in zip(members, configs, strict=True)
        ]
        return {"average": average, MEMBERS: rows}

    whole = [member.config for member in members]
    return Written(tree(whole), tree([without_folders(config) for config in whole]))
