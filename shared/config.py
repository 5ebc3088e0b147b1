"""Typed, strict configuration: YAML files, `key=value` overrides, every fault reported at once.

The parsed objects stop at the runner: what lies below takes plain arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import ConfigError
from shared.registry import unknown_name

Model = TypeVar("Model", bound=BaseModel)
IN_YAML = {
    **dict.fromkeys(("dict_type", "model_type"), "input should be a mapping"),
    "tuple_type": "input should be a list",
}
"""Faults by pydantic's names whose words are Python's and not YAML's."""


class Section(BaseModel):
    """Base of all sections: unknown keys are faults, values are not coerced by guesswork, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class DataSection(Section):
    """Where the samples come from, and how they are divided."""

    source: str | None = Field(
        None, description="folder, .zip or manifest .csv; none: the synthetic data of the application"
    )
    collections: dict[str, str] = Field(
        default_factory=dict,
        description="in place of source: several datasets by a name, each of which counts as one domain",
    )
    domains: tuple[str, ...] = Field((), description="keep only these domains (scanners, collections); empty: all")
    train_groups: int | None = Field(None, ge=1, description="keep this many training groups (patients)")
    labels_per_class: int | None = Field(None, ge=1, description="keep this many training images a class")
    split: Literal["given", "drawn"] = Field(
        "given", description="given: the data's own split where it has one; drawn: divided anew, groups kept together"
    )
    folds: int | None = Field(None, ge=2, description="divide into so many folds; `fold` is then the test")
    fold: int = Field(0, ge=0, description="which fold is the test, from 0")
    left_out: str | None = Field(None, description="this domain is the test, and nobody in it stands in training")
    target: str | None = Field(
        None, description="this domain is adapted to: divided like the rest, its labels hidden from training and choice"
    )
    target_labels: bool = Field(
        False, description="learn from the target with its labels and from nothing else: the bound of any adaptation"
    )
    target_unlabelled: bool = Field(
        False,
        description="the target has no labels: every image in it counts, whatever its folder is called, and it is "
        "judged by nothing that needs one",
    )
    validation: float = Field(0.2, gt=0, lt=0.5, description="share of groups for validation")
    test: float = Field(0.2, gt=0, lt=0.5, description="share of groups for the test, where the data has none")
    leaks: Literal["refuse", "drop", "keep_test", "allow"] = Field(
        "refuse",
        description="of images that stand in training and in test: drop from the test, keep_test drops from training",
    )
    apart_from: str | None = Field(
        None, description="another dataset: copies of its images are left out, so that this run has seen none of them"
    )
    augmentation: str = Field(
        "usual", description="how training images are varied where the strategy varies them, by the application's names"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="the application's own preprocessing settings")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.source is not None and self.collections:
            raise ValueError("source and collections both say where the samples come from; give one of them")
        if self.folds is not None and self.left_out is not None:
            raise ValueError("folds and left_out both choose the test; give one of them")
        if self.target is not None and self.left_out is not None:
            raise ValueError("target is seen without labels and left_out is not seen at all; give one of them")
        if (self.target_labels or self.target_unlabelled) and self.target is None:
            raise ValueError("target_labels and target_unlabelled need a target")
        if self.target_labels and self.target_unlabelled:
            raise ValueError("target_labels learns from labels that a target_unlabelled does not have")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}; of {self.folds} folds it is 0 to {self.folds - 1}")
        return self


class BackboneSection(Section):
    """The pretrained network, and what is taken over from it."""

    name: str = Field("resnet18", description="see the command `backbones`")
    weights: str = Field("imagenet", description="imagenet, random, a .pth or .safetensors file, or a finished run")
    size: int = Field(224, ge=16, le=1024, description="side of the square network input, in pixels")
    frame: int | None = Field(
        None, ge=8, le=1024, description="side at which images are kept; the network enlarges them; none: size"
    )
    sizes: tuple[int, ...] = Field((), description="with layers=auto: sides of the network input to choose among")
    layers: tuple[str, ...] | Literal["auto"] = Field(
        (),
        description="whose outputs are the code; empty: the backbone's default; auto: layers, pooling and size as "
        "linear heads on validation prefer",
    )
    pooling: str = Field("avg1", description="avg1, avg2, avg3, max1 or avgmax")
    copied: tuple[str, ...] | None = Field(None, description="stages copied from the weights; none: all of them")

    @model_validator(mode="after")
    def _enlarged(self) -> Self:
        if self.sizes and self.layers != "auto":
            raise ValueError("sizes are chosen among with layers=auto only; set size")
        smallest = min((self.size, *self.sizes))
        if self.frame is not None and smallest < self.frame:
            raise ValueError(f"frame is {self.frame}; images are only enlarged, so it is at most {smallest}")
        if any(size < self.size for size in self.sizes) and self.frame is None:
            raise ValueError(f"sizes below size ({self.size}) need a frame that is no larger")
        return self


class Published(Section):
    """What a paper says of one backbone in the setting of a configuration."""

    source: str = Field(description="the paper")
    accuracy: float | None = Field(None, ge=0, le=1, description="on its test set")
    minutes_an_epoch: float | None = Field(None, gt=0, description="of training, on its machine")
    note: str | None = Field(None, description="what must be known to compare with it")


class Config(Section):
    """One training run."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="begins the run folder's name")
    seed: int = Field(0, ge=0, description="of the split, the initialisation and every draw")
    data: DataSection = DataSection()
    backbone: BackboneSection = BackboneSection()
    strategy: dict[str, Any] = Field(default_factory=lambda: {"name": "finetune"}, description="name and its options")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: the GPU where there is one")
    sensitivity: float = Field(
        0.98,
        gt=0,
        le=1,
        description="which the threshold must reach on validation, where the task has a positive class",
    )
    error_rate: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="which accepted answers must keep to, as validation certifies; used only where the task has no "
        "positive class",
    )
    prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="of the positive event where the model shall be used; PPV and NPV are given for it",
    )
    miss_cost: float = Field(
        1.0, gt=0, description="what missing a positive costs, in false alarms; weighs the loss, and in the report"
    )
    ood_rate: float = Field(
        0.01,
        gt=0,
        lt=0.5,
        description="share of inputs like those of validation that may not be assessed",
    )
    masked_images: int = Field(
        20, ge=0, description="test images with masks that every method explains for the report; about 2 s each"
    )
    published: dict[str, Published] = Field(
        default_factory=dict, description="by backbone, what a paper says; shown beside this run's own figures"
    )
    reverse_validation: bool = Field(
        False,
        description="with data.target: also train the way back, from the target as the network labels it to the "
        "source, and tell how often that is right; doubles the time",
    )
    threshold: float | None = Field(
        None, gt=0, lt=1, description="in place of one chosen for that sensitivity or error_rate"
    )


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Reads a YAML file, applies `key.sub=value` overrides (values in YAML syntax), and checks everything.

    Raises:
        ConfigError: With every fault in one message: unknown keys, wrong types, values out of range.
    """
    tree: dict[str, Any] = read_yaml(path) if path else {}
    for override in overrides:
        apply_override(tree, override)
    return validate(Config, tree, origin=str(path) if path else "the command line")


def validate(model: type[Model], tree: Mapping[str, Any], *, origin: str) -> Model:
    """Builds `model` from plain data, or raises one `ConfigError` that names every fault."""
    if faults := faults_of(model, tree):
        raise ConfigError(f"{origin}: " + "; ".join(faults))
    return model.model_validate(dict(tree))


def faults_of(model: type[BaseModel], tree: Mapping[str, Any]) -> list[str]:
    """What keeps `model` from being built from plain data, a line a fault; empty where nothing does."""
    try:
        model.model_validate(dict(tree))
    except ValidationError as error:
        return [_describe(fault, model) for fault in error.errors(include_url=False, include_context=False)]
    return []


def to_yaml(config: BaseModel) -> str:
    """The resolved configuration as YAML, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Every key of a configuration: its full name, its default in YAML, and what it means.

    A key that holds a list of sections is followed by theirs, as `strategy.phases[].epochs`.
    """
    for name, entry in model.model_fields.items():
        key = f"{prefix}{name}"
        inner = entry.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from describe(inner, f"{key}.")
            continue
        sections = [part for part in get_args(inner) if isinstance(part, type) and issubclass(part, BaseModel)]
        if sections:
            yield key, "see the next lines", entry.description or ""
            yield from describe(sections[0], f"{key}[].")
            continue
        default = "needed" if entry.is_required() else _in_yaml(entry.get_default(call_default_factory=True))
        choices = [repr(choice) for choice in get_args(inner) if isinstance(choice, str)]
        said = entry.description or ""
        yield key, default, f"{said} ({' or '.join(choices)})".strip() if len(choices) > 1 else said


def _in_yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True).removesuffix("...\n").strip()


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file holds an empty one.

    Raises:
        ConfigError: It cannot be read, is no YAML, or holds something else.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds a {type(tree).__name__}; a mapping of keys to values is needed")
    if faults := list(_keys_not_text(tree)):
        raise ConfigError(f"{path}: keys must be text; put in quotes: {', '.join(faults)}")
    return tree


def _keys_not_text(node: Any, above: str = "") -> Iterator[str]:
    """Full names of keys that YAML reads as a number, a truth value or nothing."""
    if isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(key, str):
                yield f"{above}{key}"
            yield from _keys_not_text(value, f"{above}{key}.")
    elif isinstance(node, list):
        for value in node:
            yield from _keys_not_text(value, above)


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Sets in plain data what a `key.sub=value` word says, the value in YAML syntax.

    Raises:
        ConfigError: It is no such word.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"{override!r} is not of the form key=value, for example seed=1 or backbone.name=vgg16")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"{override!r}: {text!r} is not a YAML value") from None
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{override!r}: {parent!r} holds a value, not a section")
        node = child
    node[leaf] = value


def _describe(fault: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in fault["loc"]) or "(top)"
    if fault["type"] == "extra_forbidden":
        return f"{where}: {unknown_name('key', str(fault['loc'][-1]), _keys_at(model, fault['loc'][:-1]))}"
    if fault["type"] == "value_error":
        return f"{where}: {fault['msg'].removeprefix('Value error, ')}"
    if fault["type"] == "missing":
        return f"{where}: field required"
    return f"{where}: {IN_YAML.get(fault['type'], fault['msg'].lower())}, got {fault['input']!r}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            break
        model = field.annotation
    return list(model.model_fields)
