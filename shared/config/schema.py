"""The schema of a configuration: every key with its type, range, default and description."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.samples import Meanings

DEFAULT_SHARE = 0.2
"""Default share of the groups for validation, and default share for the test."""
EXPLAINED_IMAGES = 20
"""Default number of test images with masks that every attribution method explains."""


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, and a section is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


SplitSeed = Annotated[
    int | None,
    Field(
        ge=0,
        description="seed of the division into training, validation and test, and of the draw of few labels; null: the "
        "run's seed; stated: runs of several seeds share one division",
    ),
]


class GivenSplit(Section):
    """Splits by the data's own split where they have one, else by a random draw of groups."""

    how: Literal["given", "drawn"] = Field(
        "given",
        description="kind of split; given: the data's own split, or a random draw of groups where they have none; "
        "drawn: always a random draw of groups",
    )
    validation: float | None = Field(
        None,
        gt=0,
        lt=0.5,
        description="share of the groups (patients, writers) for validation; null: the data's own validation split, or "
        "0.2 where there is none",
    )
    test: float | None = Field(
        None,
        gt=0,
        lt=0.5,
        description="share of the groups (patients, writers) for the test; null: the data's own test split, or 0.2 "
        "where there is none",
    )
    seed: SplitSeed = None


class FoldSplit(Section):
    """Splits the groups into folds for cross-validation, one of which is the test."""

    how: Literal["folds"] = Field("folds", description="folds: cross-validation, one of the folds is the test")
    folds: int = Field(ge=2, description="number of folds; all images of a group (patient, writer) are in one fold")
    fold: int = Field(0, ge=0, description="number of the fold that is the test, from 0")
    validation: float | None = Field(
        None, gt=0, lt=0.5, description="share of the groups (patients, writers) for validation; null: 0.2"
    )
    seed: SplitSeed = None

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}; with {self.folds} folds it must be 0 to {self.folds - 1}")
        return self


class HeldOutSplit(Section):
    """Holds one domain out as the test; no image of it is in training or validation."""

    how: Literal["domain"] = Field("domain", description="domain: one domain (scanner, collection) is the test")
    held_out_domain: str = Field(description="name of the domain (scanner, collection) that is the test")
    validation: float | None = Field(
        None, gt=0, lt=0.5, description="share of the groups (patients, writers) for validation; null: 0.2"
    )
    seed: SplitSeed = None


SplitSection = GivenSplit | FoldSplit | HeldOutSplit


def split_shares(split: SplitSection) -> tuple[float, float, float]:
    """Returns the shares of the groups for training, validation and test.

    Args:
        split: The split section; shares that it does not state are the defaults.

    Returns:
        (training, validation, test), each 0 to 1, with sum 1.
    """
    validation = DEFAULT_SHARE if split.validation is None else split.validation
    stated = split.test if isinstance(split, GivenSplit) else None
    test = DEFAULT_SHARE if stated is None else stated
    return 1.0 - validation - test, validation, test


def seed_of_repeat(split: SplitSection, repeat: int) -> int | None:
    """Returns the `seed` of a split section for a repeat that divides the data anew.

    Args:
        split: The split section.
        repeat: Number of the repeat, from 0; it is added to a seed that is stated.

    Returns:
        The seed; None where none is stated: the division then follows the run's seed.
    """
    return None if split.seed is None else split.seed + repeat


CHOSEN = "layers, epochs, L2 strengths, temperature and thresholds"
"""What labelled images beside those that fit the weights choose."""


class BudgetSection(Section):
    """Limits the training data, to measure what few labels are worth."""

    train_groups: int | None = Field(
        None, ge=1, description="number of training groups (patients, writers) to keep; null: all"
    )
    labels_per_class: int | None = Field(
        None, ge=1, description="number of training images to keep of each class; null: all"
    )
    validation: Literal["folds", "labelled"] = Field(
        "folds",
        description="images that choose layers, epochs, L2 strengths, temperature and thresholds where labels are "
        "limited; folds: the training images that are kept, each judged by models that did not see it, and none beside "
        "them; labelled: the validation split with all its labels, which every report then says",
    )

    @property
    def is_limited(self) -> bool:
        """Whether the section limits the training data at all."""
        return self.train_groups is not None or self.labels_per_class is not None

    @property
    def by_folds(self) -> bool:
        """Whether labels are limited, and folds of the training images choose in place of validation."""
        return self.is_limited and self.validation == "folds"

    @property
    def statements(self) -> tuple[str, ...]:
        """What every table on such runs must say: the images that chose, in one sentence; empty without a limit."""
        if not self.is_limited:
            return ()
        if self.by_folds:
            return (
                f"Few labels: folds of the labelled training images chose {CHOSEN}; no other label was used, and the "
                "numbers of validation, which are of these images, flatter.",
            )
        return (f"Few labels in training alone: validation, which chose {CHOSEN}, kept all its labels.",)


class TargetSection(Section):
    """Names the domain that training adapts to, and how its labels are used."""

    domain: str = Field(
        description="name of the target domain (scanner, collection), which is split into training, validation and "
        "test as the source is"
    )
    labels: Literal["hidden", "used", "absent"] = Field(
        "hidden",
        description="use of the target's labels; hidden: for evaluation only; used: training uses them and no others "
        "(the upper bound of adaptation); absent: there are none, all images of the target are adapted to, and nothing "
        "is evaluated on it",
    )
    reverse_validation: bool | Literal["where_cheap"] = Field(
        False,
        description="whether to train in reverse too, from the target with predicted labels to the source, and report "
        "the accuracy on the source's validation; doubles the time. where_cheap: if the training takes an hour or "
        "two of one CPU core or less",
    )

    @model_validator(mode="after")
    def _labels_not_used(self) -> Self:
        if self.reverse_validation and self.labels == "used":
            raise ValueError(
                "reverse_validation evaluates training without target labels, and labels is used; leave one of them out"
            )
        return self


class DataSection(Section):
    """Names the samples, and how they are split."""

    source: str | None = Field(
        None,
        description="the dataset: a folder, .zip or manifest .csv, or the application's word for its synthetic images; "
        "null: collections name the data",
    )
    collections: dict[str, str] = Field(
        default_factory=dict,
        description="several datasets in place of source, as name: path; each one becomes the domain of that name",
    )
    classes: dict[str, str] = Field(
        default_factory=dict,
        description="what folders or labels mean that the application does not know, as name: class (in any spelling "
        "that it knows), or name: leave_out for images to leave out",
    )
    folders_above: Literal["domains", "groups"] | None = Field(
        None,
        description="what the folders above those of the classes are; domains: each is a domain (site, scanner) "
        "under its name; groups: each is a group (patient, writer) that no split divides, and its name is written "
        "nowhere; null: there are none",
    )
    domains: tuple[str, ...] = Field(
        (), description="names of the domains (scanners, collections) whose images are used; empty: all"
    )
    split: Annotated[SplitSection, Field(discriminator="how")] = Field(
        default_factory=GivenSplit, description="how samples are divided into training, validation and test"
    )
    budget: BudgetSection = BudgetSection()
    cross_fitting: Literal["none", "groups", "domains"] = Field(
        "none",
        description="whether training keeps the images of validation, and networks that are trained without a part of "
        "them choose layers, epochs, temperature and thresholds; none: validation chooses; groups: the parts are 5 "
        "folds, each group (patient, writer) in one; domains: each part is a domain (scanner, collection), so that "
        "thresholds are those for a domain that training never saw. Each part costs one more training, and nothing is "
        "certified",
    )
    target: TargetSection | None = Field(None, description="the domain to adapt to; null: no adaptation")
    leaks: Literal["refuse", "drop", "keep_test", "allow"] = Field(
        "refuse",
        description="what to do with images or patients that are in training and in the test; refuse: do not train; "
        "drop: drop them from the test; keep_test: drop them from training; allow: keep them, and warn in every report",
    )
    exclude_copies_of: str | None = Field(
        None,
        description="path of another dataset; images of this run that are copies of its images are left out",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="preprocessing options of the application; unstated ones have their defaults"
    )

    @property
    def meanings(self) -> Meanings:
        """What the section says of folders and labels that the application does not know."""
        return Meanings(self.classes, self.folders_above)

    @property
    def by_folds(self) -> bool:
        """Whether folds of the training images choose in place of validation."""
        return self.cross_fitting != "none" or self.budget.by_folds

    @property
    def statements(self) -> tuple[str, ...]:
        """What every table on such runs must say of the images that chose, one sentence; empty where validation did."""
        if self.cross_fitting == "none":
            return self.budget.statements
        part = "domain" if self.cross_fitting == "domains" else "fold of the groups"
        return (
            f"Cross-fitted: training keeps the images of validation; networks that were trained without a {part} "
            "judged it and chose, and the numbers of validation are theirs.",
        )

    @property
    def keeps_none(self) -> str:
        """The setting by which no image is kept for validation, and the remedy: a clause without a full stop."""
        if self.cross_fitting != "none":
            return f"data.cross_fitting is {self.cross_fitting}; set none"
        return "data.budget.validation is folds; set labelled, which every report then says"

    @property
    def target_domain(self) -> str | None:
        """Name of the domain that training adapts to, or None where there is no target."""
        return None if self.target is None else self.target.domain

    @property
    def target_is_unlabelled(self) -> bool:
        """Whether there is a target domain, and its labels are absent."""
        return self.target is not None and self.target.labels == "absent"

    @field_validator("classes", mode="before")
    @classmethod
    def _words_alone(cls, tree: Any) -> Any:
        """Refuses what YAML reads as no word, as `no` (false), `01` (1) and `null`: what was meant is not guessed."""
        if isinstance(tree, dict) and any(isinstance(one, bool) for pair in tree.items() for one in pair):
            raise ValueError(
                "YAML reads yes and no without quotes as true and false; put them in quotes, or write another spelling"
            )
        if isinstance(tree, dict) and any(not isinstance(one, str) for pair in tree.items() for one in pair):
            raise ValueError("YAML reads numbers, dates and null without quotes as no words; put them in quotes ('0')")
        return tree

    @model_validator(mode="before")
    @classmethod
    def _name_the_split(cls, tree: Any) -> Any:
        """Infers `split.how` from the key `folds` or `held_out_domain` where it is not given."""
        split = tree.get("split") if isinstance(tree, dict) else None
        if isinstance(split, dict) and "how" not in split:
            how = "folds" if "folds" in split else "domain" if "held_out_domain" in split else "given"
            return {**tree, "split": {"how": how, **split}}
        return tree

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.source is not None and self.collections:
            raise ValueError("source and collections both name the dataset; leave one of them out")
        if self.target is not None and isinstance(self.split, HeldOutSplit):
            raise ValueError(
                "target.domain is used in training and split.held_out_domain is not; leave one of them out"
            )
        if self.cross_fitting != "none" and self.budget.is_limited:
            raise ValueError(
                "cross_fitting keeps all images of training and validation, and budget limits them; leave one of them "
                "out (budget.validation=folds divides few labels into folds)"
            )
        if self.target is not None and self.by_folds:
            raise ValueError(f"a training with a target is not divided into folds: {self.keeps_none}")
        return self


class NetworkSection(Section):
    """Names a network, and the layers whose outputs are the features."""

    name: str = Field(description="name of the network; the command `backbones` lists all names")
    size: int = Field(224, ge=1, le=1024, description="side of the square network input, in pixels")
    store_size: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="side in pixels at which preprocessed images are stored and augmented, before they are enlarged to "
        "size; null: size",
    )
    candidate_sizes: tuple[int, ...] = Field(
        (), description="sides of the network input in pixels that the search of layers=auto tries; empty: size"
    )
    layers: tuple[str, ...] | Literal["auto"] = Field(
        (),
        description="names of the stages whose pooled outputs are the features; empty: the backbone's default layer; "
        "auto: the layers, pooling and size with which a linear head does best on validation, or on the folds of few "
        "labels",
    )
    pooling: str = Field(
        "avg_1x1",
        description="pooling of the layers' feature maps to a grid of means or maxima: avg_1x1, avg_2x2, avg_3x3, "
        "avg_7x7, max_1x1, avg_max for both at 1x1, cls for the class token of a vision transformer, cls_avg for that "
        "and the mean of its patches, or avg_evidence for means and, beside them, the mean of the three most "
        "suspicious places of a map that is learnt (training end to end only)",
    )

    @model_validator(mode="after")
    def _only_enlarged(self) -> Self:
        if self.candidate_sizes and self.layers != "auto":
            raise ValueError("candidate_sizes are tried with layers=auto only; set layers=auto, or size in their place")
        smallest = min((self.size, *self.candidate_sizes))
        if self.store_size is not None and smallest < self.store_size:
            raise ValueError(
                f"store_size is {self.store_size}; images are only enlarged, so it must be at most {smallest}"
            )
        if any(size < self.size for size in self.candidate_sizes) and self.store_size is None:
            raise ValueError(
                f"candidate_sizes hold {min(self.candidate_sizes)}, below size ({self.size}), to which images would be "
                "reduced; set store_size to the smallest of them or less"
            )
        return self


class BackboneSection(NetworkSection):
    """Names the pretrained network, the layers that give the features, and the weights that are transferred."""

    name: str = Field("resnet18", description="name of the network; the command `backbones` lists all names")
    weights: str = Field(
        "imagenet",
        description="pretrained weights: imagenet (the published ones, downloaded; those of DINOv2 and DINOv3, which "
        "are not of ImageNet, are placed by hand), packaged (in an installed package), random, the path of a .pth or "
        ".safetensors file, or a finished run",
    )
    pretrained_on: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="what the weights of a file were trained on, in words for the reports; null: what is known of them",
    )
    transfer_stages: tuple[str, ...] | None = Field(
        None, description="names of the stages that are given pretrained weights, the others random ones; null: all"
    )
    mirrored: bool = Field(
        False,
        description="whether the trained network answers by the mean of an image and its mirror image, left and right "
        "exchanged, which takes twice its time (training end to end, and where both show the same)",
    )
    nearest: NetworkSection | None = Field(
        None,
        description="a network whose published weights were trained on images nearer to these; where some are on this "
        "machine (`backbones` lists them), training begins with it in place of the other keys of the section; a key of "
        "the section that is set on the command line means the section itself; null: none",
    )

    @model_validator(mode="after")
    def _stated_of_a_file(self) -> Self:
        if self.pretrained_on is not None and self.weights in ("imagenet", "packaged", "random"):
            raise ValueError(
                f"pretrained_on is stated of a file, and weights are {self.weights}, of which it is known; leave it out"
            )
        return self


class Decision(Section):
    """Keys of the decision rule that all tasks have: the rule by which probabilities become answers."""

    threshold: float | None = Field(
        None, gt=0, lt=1, description="decision threshold on the probability; null: validation chooses it"
    )
    ood_false_positive_rate: float = Field(
        0.01,
        gt=0,
        lt=0.5,
        description="false-positive rate of the out-of-distribution check: share of inputs like those of validation "
        "that may get no answer, as a whole and of each class",
    )
    ood_varied: bool = Field(
        False,
        description="whether images varied as in training are familiar to the out-of-distribution check too: half of "
        "the images that it compares with are varied, and the rate also holds for images of validation so varied",
    )


class Screening(Decision):
    """Decision rule of tasks with a class that must not be missed: a threshold on its probability."""

    sensitivity: float = Field(0.98, gt=0, le=1, description="sensitivity that the threshold must reach on validation")
    prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="prevalence of the positive class where the model will be used; PPV and NPV are reported for it; "
        "null: they are not",
    )
    miss_cost: float = Field(
        1.0,
        gt=0,
        description="cost of a missed positive in units of one false alarm; weights the loss, and enters the report's "
        "expected cost",
    )


class Selective(Decision):
    """Decision rule of all other tasks: answers of low probability are rejected (selective classification)."""

    max_selective_risk: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="largest share of wrong answers among accepted ones (selective risk), as certified on validation",
    )


class Published(Section):
    """Results of a paper with one backbone, in the setting of a configuration."""

    source: str = Field(description="the paper that reports the results")
    accuracy: float | None = Field(None, ge=0, le=1, description="accuracy that the paper reports on its test set")
    test_images: int | None = Field(
        None, ge=1, description="number of images in that test set; the paper's accuracy then has an interval too"
    )
    minutes_an_epoch: float | None = Field(
        None, gt=0, description="minutes of training an epoch that the paper reports, on its own machine"
    )
    note: str | None = Field(None, description="caveat for the comparison, such as another test set")


class Config(Section):
    """The configuration of one training run."""

    name: str = Field(
        "run",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="name of the run, part of its folder's name: letters, digits, dot, underscore and hyphen",
    )
    seed: int = Field(
        0,
        ge=0,
        description="seed of the split where data.split.seed is null, of the initial weights and of every other draw",
    )
    data: DataSection = DataSection()
    backbone: BackboneSection = BackboneSection()
    strategy: dict[str, Any] = Field(
        default_factory=lambda: {"name": "finetune"}, description="the training strategy: its name and its options"
    )
    decision: dict[str, Any] = Field(
        default_factory=dict,
        description="the decision rule by which probabilities become answers: threshold, ood_false_positive_rate, and "
        "sensitivity, prevalence and miss_cost in tasks with a class that must not be missed, else max_selective_risk",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="device to compute on; auto: the GPU where there is one, else the CPU"
    )
    track: str = Field(
        "auto",
        exclude=True,  # changes no result, so it stands neither in the name of a run nor in what is kept of one
        description="where the training is shown as it goes on: tensorboard, mlflow, wandb (each in the extra of its "
        "name), none, or auto: tensorboard where it is installed; not kept with the run",
    )
    explained_images: int | None = Field(
        None,
        ge=0,
        description="number of test images with masks that every attribution method explains for the report, about 2 s "
        f"each; null: {EXPLAINED_IMAGES} where there are masks",
    )
    published: dict[str, Published] = Field(
        default_factory=dict,
        description="results that a paper reports, by name of the backbone; the report shows them next to this run's",
    )

    @property
    def split_seed(self) -> int:
        """Seed of the division into training, validation and test: that of `data.split`, or the run's."""
        return self.seed if self.data.split.seed is None else self.data.split.seed
