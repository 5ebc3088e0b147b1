"""A comparison in YAML: backbones x strategies x label budgets x seeds over one configuration, resolved into cells."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from shared.config.describe import to_yaml
from shared.config.read import apply_override, faults_of, read_yaml, validate
from shared.config.schema import Config, Section
from shared.errors import ConfigError

if TYPE_CHECKING:
    from shared.task import Task

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
PLAN_KEYS = {"seed": "seeds", "data.budget.labels_per_class": "labels_per_class"}
"""Keys of a configuration that a comparison sets itself, and by which of its own."""


class Comparison(Section):
    """The YAML file of a comparison."""

    name: Name = Field(description="names its folder under runs/compare/")
    base: dict[str, Any] = Field(
        default_factory=dict,
        description="what all cells share: a configuration, or the path of one beside this file; its name is not used",
    )
    backbones: dict[Name, dict[str, Any]] = Field(
        min_length=1, description="by a short name, what differs from base: a tree, or `key.sub: value`"
    )
    strategies: dict[Name, dict[str, Any]] = Field(min_length=1, description="the same")
    labels_per_class: tuple[Annotated[int, Field(ge=1)] | None, ...] = Field(
        (None,), min_length=1, description="training images a class; null: all"
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1, description="of each cell")

    @field_validator("labels_per_class", "seeds")
    @classmethod
    def _once(cls, values: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(set(values)) < len(values):
            raise ValueError("a value stands twice")
        return values


@dataclass(frozen=True)
class Cell:
    """One run of a comparison.

    Attributes:
        backbone: Short name, as in the comparison.
        strategy: The same.
        labels: Training images a class; None: all.
        seed: Of the run.
        config: The resolved configuration.
    """

    backbone: str
    strategy: str
    labels: int | None
    seed: int
    config: Config = field(compare=False)  # follows from the rest, and holds what cannot be hashed

    @property
    def name(self) -> str:
        """As people are told it."""
        return f"{self.backbone} x {self.strategy}, {budget_in_words(self.labels)}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """Name of its run folder; another configuration has another one."""
        digest = hashlib.sha256(to_yaml(self.config).encode()).hexdigest()[:8]
        labels = "all" if self.labels is None else str(self.labels)
        return f"{self.backbone}-{self.strategy}-{labels}-seed{self.seed}-{digest}"


@dataclass(frozen=True)
class Plan:
    """A comparison with everything resolved.

    Attributes:
        name: Of the comparison.
        base: The configuration that all cells share.
        cells: In the order in which they are run; those of a row (all but the seed alike) stand together.
    """

    name: str
    base: Config
    cells: tuple[Cell, ...]

    def rows(self) -> list[tuple[Cell, ...]]:
        """The cells of each row: one backbone, strategy and label budget, over seeds."""
        rows: dict[tuple[str, str, int | None], list[Cell]] = {}
        for cell in self.cells:
            rows.setdefault((cell.backbone, cell.strategy, cell.labels), []).append(cell)
        return [tuple(row) for row in rows.values()]


def load_comparison(task: Task, path: Path, words: Sequence[str] = ()) -> Plan:
    """Reads a comparison, applies `key.sub=value` words over its base, and checks every configuration it asks for.

    Whether data and weights are there is for each cell to find out.

    Args:
        task: The application that it is for.
        path: Of the YAML file.
        words: As on the command line.

    Raises:
        ConfigError: With every fault in one message.
    """
    tree = read_yaml(path)
    base = tree.setdefault("base", {})
    if isinstance(base, str):
        base = tree["base"] = read_yaml(path.parent / base)
    for word in words if isinstance(base, dict) else ():
        apply_override(base, word)
    faults = faults_of(Comparison, tree)
    sections = [base, tree.get("backbones"), tree.get("strategies")]
    if all(isinstance(section, dict) for section in sections):
        faults += _faults(task, *sections)
    if faults:
        raise ConfigError(f"{path}: " + "; ".join(faults))
    wanted = validate(Comparison, tree, origin=str(path))
    cells = [
        Cell(backbone, strategy, labels, seed, _config(wanted, backbone, strategy, labels, seed))
        for labels in wanted.labels_per_class
        for backbone in wanted.backbones
        for strategy in wanted.strategies
        for seed in wanted.seeds
    ]
    return Plan(wanted.name, validate(Config, wanted.base, origin=str(path)), tuple(cells))


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with other plain data laid over it; keys may be written `key.sub`.

    A section is merged key by key, but a strategy of another name replaces that of the base: options of one mean
    nothing to another.
    """
    tree = deepcopy(dict(base))
    for key, value in over.items():
        head, _, rest = key.partition(".")
        new = {rest: value} if rest else value
        old = tree.get(head)
        if not isinstance(new, dict) or (head == "strategy" and _is_another(old, new)):
            tree[head] = deepcopy(new)
        else:
            tree[head] = merged(old if isinstance(old, dict) else {}, new)
    return tree


def budget_in_words(labels: int | None) -> str:
    """A label budget as people are told it."""
    return "all labels" if labels is None else f"{labels} label{'s' * (labels > 1)} a class"


def _is_another(old: Any, new: Mapping[str, Any]) -> bool:
    """Whether two strategy sections are of different strategies."""
    return isinstance(old, dict) and "name" in new and new["name"] != old.get("name")


def _config(wanted: Comparison, backbone: str, strategy: str, labels: int | None, seed: int) -> Config:
    tree = merged(merged(wanted.base, wanted.backbones[backbone]), wanted.strategies[strategy])
    name = f"{wanted.name}-{backbone}-{strategy}"
    own = {"name": name, "seed": seed, "data": {"budget": {"labels_per_class": labels}}}
    return validate(Config, merged(tree, own), origin=name)


def _faults(
    task: Task, base: Mapping[str, Any], backbones: Mapping[str, Any], strategies: Mapping[str, Any]
) -> list[str]:
    """Of all that cells are made of, each told once, of the least that has it: base, one override, or two together.

    Overrides that are no mappings are faults of the comparison itself and count as empty here.
    """
    task.register_backbones()
    first, second = ({name: _mapping(over) for name, over in entries.items()} for entries in (backbones, strategies))
    told = [f"base: {fault}" for fault in faults_of(Config, base)]
    for kind, entries in (("backbones", first), ("strategies", second)):
        told += [f"{kind}.{name}: name: is that of the comparison" for name, over in entries.items() if "name" in over]
    alone = _faults_of(task, base)
    of_backbone = {name: _faults_of(task, merged(base, over)) for name, over in first.items()}
    of_strategy = {name: _faults_of(task, merged(base, over)) for name, over in second.items()}
    for backbone, strategy in product(first, second):
        for fault in _faults_of(task, merged(merged(base, first[backbone]), second[strategy])):
            if fault in alone:
                told.append(f"base: {fault}")
            elif fault in of_backbone[backbone]:
                told.append(f"backbones.{backbone}: {fault}")
            elif fault in of_strategy[strategy]:
                told.append(f"strategies.{strategy}: {fault}")
            else:
                told.append(f"backbones.{backbone} with strategies.{strategy}: {fault}")
    return list(dict.fromkeys(told))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _faults_of(task: Task, tree: Mapping[str, Any]) -> list[str]:
    """Of one configuration; of names that depend on others only where nothing else is wrong."""
    from shared.pipeline.preflight import faults_of_run, faults_of_strategy

    faults = faults_of(Config, tree)
    if faults:
        faults += faults_of_strategy(_mapping(tree.get("strategy")))
    else:
        faults = faults_of_run(task, Config.model_validate(tree))
    for key, own in PLAN_KEYS.items():
        node: Any = tree
        for part in key.split("."):
            node = _mapping(node).get(part)
        if node is not None:
            faults.append(f"{key}: is set by the comparison's own key {own}; leave it out")
    return faults
