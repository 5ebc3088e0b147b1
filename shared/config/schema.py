"""Every key of a configuration, with its type, range, default and meaning."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEFAULT_SHARE = 0.2
"""Of the groups, for validation and for the test each, where nothing is said."""
EXPLAINED_IMAGES = 20
"""Test images with masks that every attribution method explains where nothing is said."""


class Section(BaseModel):
    """Base of all sections: unknown keys are faults, values are not coerced by guesswork, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class GivenSplit(Section):
    """The data's own split where it has one, else one that is drawn by groups."""

    how: Literal["given", "drawn"] = Field(
        "given", description="given: the data's own split where it has one; drawn: always a new one, by groups"
    )
    validation: float | None = Field(
        None, gt=0, lt=0.5, description="share of groups for validation; none: 0.2 where the data have none"
    )
    test: float | None = Field(
        None, gt=0, lt=0.5, description="share of groups for the test; none: 0.2 where the data have none"
    )


class FoldSplit(Section):
    """One of several folds is the test."""

    how: Literal["folds"] = Field("folds", description="one of `folds` folds is the test")
    folds: int = Field(ge=2, description="number of folds, groups kept together")
    fold: int = Field(0, ge=0, description="which fold is the test, from 0")
    validation: float | None = Field(None, gt=0, lt=0.5, description="share of groups for validation; none: 0.2")

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}; of {self.folds} folds it is 0 to {self.folds - 1}")
        return self


class HeldOutSplit(Section):
    """One domain is the test, and none of its images stands in training or validation."""

    how: Literal["domain"] = Field("domain", description="one domain (scanner, collection) is the test")
    held_out_domain: str = Field(description="the domain that is the test")
    validation: float | None = Field(None, gt=0, lt=0.5, description="share of groups for validation; none: 0.2")


SplitSection = GivenSplit | FoldSplit | HeldOutSplit


def split_shares(split: SplitSection) -> tuple[float, float, float]:
    """Shares of the groups for training, validation and test, which sum to 1."""
    validation = DEFAULT_SHARE if split.validation is None else split.validation
    stated = split.test if isinstance(split, GivenSplit) else None
    test = DEFAULT_SHARE if stated is None else stated
    return 1.0 - validation - test, validation, test


class BudgetSection(Section):
    """How much of the training data may be used, to see what few labels are worth."""

    train_groups: int | None = Field(None, ge=1, description="keep this many training groups (patients, writers)")
    labels_per_class: int | None = Field(None, ge=1, description="keep this many training images of each class")


class TargetSection(Section):
    """The domain that training adapts to."""

    domain: str = Field(description="name of the target domain; it is divided like the rest")
    labels: Literal["hidden", "used", "absent"] = Field(
        "hidden",
        description="hidden: its labels only judge; used: training uses them and no other (the upper bound of "
        "adaptation); absent: it has none, every image in it counts, and nothing is judged on it",
    )
    reverse_validation: bool = Field(
        False,
        description="also train back, from the target with predicted labels to the source, and report the accuracy "
        "there; doubles the time",
    )

    @model_validator(mode="after")
    def _without_labels(self) -> Self:
        if self.reverse_validation and self.labels == "used":
            raise ValueError("reverse_validation judges training without target labels; leave labels=used out")
        return self


class DataSection(Section):
    """Where the samples come from, and how they are divided."""

    source: str | None = Field(
        None, description="folder, .zip or manifest .csv; none: the application's own synthetic data"
    )
    collections: dict[str, str] = Field(
        default_factory=dict, description="in place of source: several datasets by name; each counts as one domain"
    )
    domains: tuple[str, ...] = Field((), description="keep only these domains (scanners, collections); empty: all")
    split: Annotated[SplitSection, Field(discriminator="how")] = Field(
        default_factory=GivenSplit, description="how samples are divided into training, validation and test"
    )
    budget: BudgetSection = BudgetSection()
    target: TargetSection | None = Field(None, description="the domain to adapt to; none: no adaptation")
    leaks: Literal["refuse", "drop", "keep_test", "allow"] = Field(
        "refuse",
        description="what happens to images that stand in training and in test: refuse to train, drop them from the "
        "test, keep_test drops them from training, allow keeps both and every report says so",
    )
    exclude_copies_of: str | None = Field(
        None, description="another dataset; images that are copies of its images are left out of this run"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="the application's own preprocessing settings")

    @property
    def target_domain(self) -> str | None:
        """Name of the domain to adapt to, or None."""
        return None if self.target is None else self.target.domain

    @property
    def target_is_unlabelled(self) -> bool:
        """Whether there is a target and it has no labels."""
        return self.target is not None and self.target.labels == "absent"

    @model_validator(mode="before")
    @classmethod
    def _name_the_split(cls, tree: Any) -> Any:
        """`folds` or `held_out_domain` alone say how the data are split."""
        split = tree.get("split") if isinstance(tree, dict) else None
        if isinstance(split, dict) and "how" not in split:
            how = "folds" if "folds" in split else "domain" if "held_out_domain" in split else "given"
            return {**tree, "split": {"how": how, **split}}
        return tree

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.source is not None and self.collections:
            raise ValueError("source and collections both say where the samples come from; give one of them")
        if self.target is not None and isinstance(self.split, HeldOutSplit):
            raise ValueError("a target domain is used in training, a held-out domain is not; give one of them")
        return self


class BackboneSection(Section):
    """The pretrained network, and what is taken over from it."""

    name: str = Field("resnet18", description="name of the network; the command `backbones` lists them")
    weights: str = Field("imagenet", description="imagenet, random, a .pth or .safetensors file, or a finished run")
    size: int = Field(224, ge=16, le=1024, description="side of the square network input, in pixels")
    store_size: int | None = Field(
        None, ge=8, le=1024, description="side at which images are stored; the network enlarges them; none: size"
    )
    candidate_sizes: tuple[int, ...] = Field(
        (), description="with layers=auto: sides of the network input that are tried"
    )
    layers: tuple[str, ...] | Literal["auto"] = Field(
        (),
        description="stages whose pooled outputs are the features; empty: the backbone's default; auto: layers, "
        "pooling and size that serve a linear head best on validation",
    )
    pooling: str = Field("avg_1x1", description="avg_1x1, avg_2x2, avg_3x3, max_1x1 or avg_max")
    transfer_stages: tuple[str, ...] | None = Field(
        None, description="stages that take over pretrained weights; none: all of them"
    )

    @model_validator(mode="after")
    def _enlarged(self) -> Self:
        if self.candidate_sizes and self.layers != "auto":
            raise ValueError("candidate_sizes are tried with layers=auto only; set size")
        smallest = min((self.size, *self.candidate_sizes))
        if self.store_size is not None and smallest < self.store_size:
            raise ValueError(f"store_size is {self.store_size}; images are only enlarged, so it is at most {smallest}")
        if any(size < self.size for size in self.candidate_sizes) and self.store_size is None:
            raise ValueError(f"candidate_sizes below size ({self.size}) need a store_size that is no larger")
        return self


class Decision(Section):
    """How probabilities become answers, whatever the task."""

    threshold: float | None = Field(None, gt=0, lt=1, description="in place of one that validation chooses")
    ood_false_positive_rate: float = Field(
        0.01, gt=0, lt=0.5, description="share of inputs like those of validation that may be left without an answer"
    )


class Screening(Decision):
    """For tasks with a class that must not be missed."""

    sensitivity: float = Field(0.98, gt=0, le=1, description="sensitivity that the threshold must reach on validation")
    prevalence: float | None = Field(
        None, gt=0, lt=1, description="of the positive class where the model will be used; PPV and NPV are given for it"
    )
    miss_cost: float = Field(
        1.0, gt=0, description="cost of a missed positive, in false alarms; weighs the loss, and in the report"
    )


class Selective(Decision):
    """For tasks without such a class: answers that are not sure enough are rejected."""

    max_selective_risk: float = Field(
        0.01, gt=0, lt=1, description="largest share of wrong answers among accepted ones, as validation certifies"
    )


class Published(Section):
    """What a paper reports of one backbone in the setting of a configuration."""

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
    strategy: dict[str, Any] = Field(
        default_factory=lambda: {"name": "finetune"}, description="name of a strategy and its options"
    )
    decision: dict[str, Any] = Field(
        default_factory=dict, description="how probabilities become answers: keys for the task's kind of decision"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: the GPU where there is one")
    explained_images: int | None = Field(
        None,
        ge=0,
        description=f"test images with masks that every attribution method explains for the report, about 2 s each; "
        f"none: {EXPLAINED_IMAGES} where there are masks",
    )
    published: dict[str, Published] = Field(
        default_factory=dict, description="by backbone, what a paper reports; shown next to this run's own figures"
    )
