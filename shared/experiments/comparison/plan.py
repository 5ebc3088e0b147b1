"""The plan of a comparison: a YAML file of backbones, strategies, label budgets and seeds, resolved into cells."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from shared.config.describe import to_yaml
from shared.config.files import find_base, lay_over, read_layers, read_yaml
from shared.config.named import find_config
from shared.config.read import COMMAND_LINE, apply_override, faults_of, set_by, validate
from shared.config.schema import Config, Section
from shared.errors import ConfigError

if TYPE_CHECKING:
    from shared.task import Task

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
PLAN_KEYS = {"seed": "seeds", "data.budget.labels_per_class": "labels_per_class"}
"""Keys of a configuration that a comparison sets itself, with its own key for each."""


class Comparison(Section):
    """The keys of a comparison's YAML file."""

    name: Name = Field(description="name of the comparison, and of its folder under runs/compare/")
    base: dict[str, Any] = Field(
        default_factory=dict,
        description="the configuration that all runs share: its keys, the name of one that comes with the application, "
        "or the path of a file, relative to this one; the `name` in it is not used",
    )
    backbones: dict[Name, dict[str, Any]] = Field(
        min_length=1,
        description="backbones to compare, as name: changes; the changes are configuration keys that replace those of "
        "base, as sections or as `key.sub: value`",
    )
    strategies: dict[Name, dict[str, Any]] = Field(
        min_length=1,
        description="strategies to compare, as name: changes; the changes are configuration keys that replace those of "
        "base, as sections or as `key.sub: value`",
    )
    labels_per_class: tuple[Annotated[int, Field(ge=1)] | None, ...] = Field(
        (None,), min_length=1, description="label budgets to compare: training images of each class; null: all"
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (0,), min_length=1, description="seeds with which each combination is trained and evaluated"
    )

    @field_validator("backbones", "strategies", mode="before")
    @classmethod
    def _with_changes(cls, value: Any, info: ValidationInfo) -> Any:
        key = {"backbones": "backbone.name", "strategies": "strategy.name"}[str(info.field_name)]
        given = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        for one in given:
            if isinstance(one, str):
                raise ValueError(f"give each a name and its changes, such as {{{one}: {{{key}: {one}}}}}")
        return value

    @field_validator("labels_per_class", "seeds")
    @classmethod
    def _once(cls, values: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(set(values)) < len(values):
            repeated = next(value for value in values if values.count(value) > 1)
            raise ValueError(f"{'null' if repeated is None else repeated} occurs twice; leave one of them out")
        return values


@dataclass(frozen=True)
class Cell:
    """One run of a comparison: a backbone, a strategy, a label budget and a seed.

    Attributes:
        backbone: Short name of the backbone in the comparison.
        strategy: Short name of the strategy in the comparison.
        labels: Label budget, training images of each class; None: all.
        seed: Seed of the run.
        config: The resolved configuration.
    """

    backbone: str
    strategy: str
    labels: int | None
    seed: int
    config: Config = field(compare=False)  # follows from the rest, and holds what cannot be hashed

    @property
    def name(self) -> str:
        """Name of the cell in reports and messages, such as "resnet18 x finetune, all labels, seed 0"."""
        return f"{self.backbone} x {self.strategy}, {budget_in_words(self.labels)}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """Name of the cell's run folder, without a path; a hash of the configuration is part of it."""
        digest = hashlib.sha256(to_yaml(self.config).encode()).hexdigest()[:8]
        labels = "all" if self.labels is None else str(self.labels)
        return f"{self.backbone}-{self.strategy}-{labels}-seed{self.seed}-{digest}"


@dataclass(frozen=True)
class Plan:
    """A comparison whose cells are resolved into configurations.

    Attributes:
        name: Name of the comparison.
        base: The configuration that all cells share.
        cells: The cells in the order in which they are run; cells that differ in their seed only are neighbours.
    """

    name: str
    base: Config
    cells: tuple[Cell, ...]

    def rows(self) -> list[tuple[Cell, ...]]:
        """Groups the cells into rows, in order: a row is one backbone, strategy and label budget with all seeds."""
        rows: dict[tuple[str, str, int | None], list[Cell]] = {}
        for cell in self.cells:
            rows.setdefault((cell.backbone, cell.strategy, cell.labels), []).append(cell)
        return [tuple(row) for row in rows.values()]


def load_comparison(task: Task, given: str | Path | Mapping[str, Any], words: Sequence[str] = ()) -> Plan:
    """Reads a comparison, applies overrides to its base, and checks the configuration of every cell.

    Data and weights are not looked for. A comparison names its networks itself: `backbone.nearest` of its base is left
    out.

    Args:
        task: The application.
        given: The comparison's YAML file, the name of one that comes with the application, or its content.
        words: `key.sub=value` words of the command line, which override keys of the base.

    Raises:
        ConfigError: The comparison or a configuration has faults; the message lists them all.
    """
    if isinstance(given, Mapping):
        origin, folder, tree = "the comparison", Path(), deepcopy(dict(given))
    else:
        path = find_config(given, task.name, "comparison")
        origin, folder, tree = str(path), path.parent, read_yaml(path)
    if tree.keys() & {"backbone", "strategy"} and not tree.keys() & {"backbones", "strategies"}:
        known = ", ".join(Comparison.model_fields)
        raise ConfigError(f"{origin}: is the configuration of a training, for `train`; keys of a comparison: {known}")
    base = tree.setdefault("base", {})
    if isinstance(base, str):
        base = tree["base"] = read_layers(find_base(base, folder, origin, task.name), task.name).tree
    for word in words if isinstance(base, dict) else ():
        apply_override(base, word)
    if isinstance(base, dict) and isinstance(base.get("backbone"), dict):
        base["backbone"].pop("nearest", None)
    faults = faults_of(Comparison, tree)
    sections = [base, tree.get("backbones"), tree.get("strategies")]
    if all(isinstance(section, dict) for section in sections):
        faults += _faults(task, *sections)
    if faults:
        raise ConfigError("; ".join(_blamed(fault, origin, words) for fault in faults))
    comparison = validate(Comparison, tree, origin=origin)
    cells = [
        Cell(backbone, strategy, labels, seed, _config(comparison, backbone, strategy, labels, seed))
        for labels in comparison.labels_per_class
        for backbone in comparison.backbones
        for strategy in comparison.strategies
        for seed in comparison.seeds
    ]
    return Plan(comparison.name, validate(Config, comparison.base, origin=origin), tuple(cells))


def _blamed(fault: str, origin: str, words: Sequence[str]) -> str:
    """A fault with its origin: the command line where it is a fault of the base in a key set there, else the file."""
    place, _, rest = fault.partition(": ")
    key = rest.partition(":")[0]
    return f"{COMMAND_LINE}: {rest}" if place == "base" and set_by(key, words) else f"{origin}: {fault}"


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merges plain data into other plain data, section by section, and returns the new data.

    A strategy of another name replaces that of the base, because strategies do not share their options.

    Args:
        base: The plain data that are overridden; left as they are.
        over: The keys that override; `key.sub` stands for a key of a section.
    """
    tree = lay_over(base, {})
    for key, value in over.items():
        head, *parts = key.split(".")
        section = value
        for part in reversed(parts):
            section = {part: section}
        tree = lay_over(tree, {head: section})
    return tree


def budget_in_words(labels: int | None) -> str:
    """Formats a label budget in words, such as "10 labels a class" or "all labels".

    Args:
        labels: Training images of each class; None: all.
    """
    return "all labels" if labels is None else f"{labels} label{'s' * (labels > 1)} a class"


def _config(comparison: Comparison, backbone: str, strategy: str, labels: int | None, seed: int) -> Config:
    """The configuration of one cell."""
    tree = merged(merged(comparison.base, comparison.backbones[backbone]), comparison.strategies[strategy])
    name = f"{comparison.name}-{backbone}-{strategy}"
    own = {"name": name, "seed": seed, "data": {"budget": {"labels_per_class": labels}}}
    return validate(Config, merged(tree, own), origin=name)


def _faults(
    task: Task, base: Mapping[str, Any], backbones: Mapping[str, Any], strategies: Mapping[str, Any]
) -> list[str]:
    """The faults of all cells, each listed once, under the smallest part that has it: base, one override, or two.

    Overrides that are no mappings are faults of the comparison itself and count as empty here.
    """
    task.register_backbones()
    first, second = ({name: _mapping(over) for name, over in entries.items()} for entries in (backbones, strategies))
    found = [f"base: {fault}" for fault in faults_of(Config, base)]
    for kind, one, entries in (("backbones", "backbone", first), ("strategies", "strategy", second)):
        found += [
            f"{kind}.{name}: name: runs are named by the comparison; to choose a {one} write {one}.name"
            for name, over in entries.items()
            if "name" in over
        ]
    alone = _faults_of(task, base)
    of_backbone = {name: _faults_of(task, merged(base, over)) for name, over in first.items()}
    of_strategy = {name: _faults_of(task, merged(base, over)) for name, over in second.items()}
    for backbone, strategy in product(first, second):
        for fault in _faults_of(task, merged(merged(base, first[backbone]), second[strategy])):
            if fault in alone:
                found.append(f"base: {fault}")
            elif fault in of_backbone[backbone]:
                found.append(f"backbones.{backbone}: {fault}")
            elif fault in of_strategy[strategy]:
                found.append(f"strategies.{strategy}: {fault}")
            else:
                found.append(f"backbones.{backbone} with strategies.{strategy}: {fault}")
    return list(dict.fromkeys(found))


def _mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _faults_of(task: Task, tree: Mapping[str, Any]) -> list[str]:
    """The faults of one configuration; names are looked up only where the schema has no fault."""
    from shared.pipeline.preflight import faults_of_run, faults_of_strategy

    faults = faults_of(Config, tree)
    if faults:
        faults += faults_of_strategy(_mapping(tree.get("strategy")))
    else:
        config = Config.model_validate(tree)
        faults = faults_of_run(task, config)
        if config.backbone.nearest is not None:
            faults.append("backbone.nearest: a comparison names its networks itself; leave it out")
    for key, own in PLAN_KEYS.items():
        node: Any = tree
        for part in key.split("."):
            node = _mapping(node).get(part)
        if node is not None:
            faults.append(f"{key}: is set by the comparison's own key {own}; leave it out")
    return faults
