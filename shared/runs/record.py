"""The model record, `model.json`: all that prediction needs besides the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shared.data.descriptors import CopyRule
from shared.errors import RunError
from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.pools import POOLS
from shared.io.atomic import COPY_AGAIN, read_json
from shared.runs.record_fields import fault_of
from shared.task import Preprocessing

FORMAT = 9
"""Version of the run folder; other versions are refused."""


@dataclass(frozen=True)
class ModelRecord:
    """The model record, `model.json`: all that prediction needs besides the network.

    Attributes:
        task: Name of the application that trained it.
        classes: Names of the classes, in the order of the network's outputs.
        positive: For each class, whether it is the event that must not be missed.
        preprocessing: Settings that turn raw pixels into the network's input.
        threshold: Positive probability from which an input is called positive; without a positive class, probability of
            the likeliest class from which an answer is accepted.
        of_images: The same for a single image, where series alone chose `threshold`; None: it is that threshold.
        operating_point: Choice and certificate of the threshold (`OperatingPoint`), with the `domains` and the
            `acquisition` of the images of validation; None without a positive class.
        rejection: Choice and certificate of the threshold (`Rejection`); None with a positive class.
        aggregation: How the slices of a series become one probability.
        aggregation_reason: Why that aggregation, in one sentence without a full stop.
        negative_series: Of which kinds validation judged negative series of several slices: `properties` that make a
            kind, `name` of a negative series ("tumour-free"), and `judged`, as
            `shared.evaluation.decision.kinds.judged_kinds` lists it; empty without a positive class.
        certified_sensitivity: Sensitivity that validation certifies at this threshold; None where nothing was
            certified: validation was seen in training, or the data do not say which patient each image is of.
        certified_error: Error among accepted answers that validation certifies, without a positive class; None where
            nothing was certified.
        ood: The `threshold` of the out-of-distribution score above which nothing is assessed, and how it was chosen, as
            `shared.evaluation.decision.ood_threshold.choose_rule` gives it.
        temperature: Temperature of the probabilities, for readers: `model.onnx` contains it.
        backbone: Name, layers and pooling of the backbone, and the origin of its weights. Of a mean of several runs,
            `mean_of` lists these, with the hashes of their weights; where it is the mean of their answers, `members`
            holds what stands here of one backbone for each of them, and `name` names all.
        domains: Names of the domains it was trained on.
        acquisition: How the images it was trained on were acquired, as `shared.runs.acquisition.seen_in` collects it.
        synthetic: Whether it was trained on synthetic images.
        data_hash: SHA-256 over the content of the data.
        weights_hash: SHA-256 of `model.safetensors`; of a released model that of the run that it was made of, for it is
            the same model.
        copy_rule: How copies of the images that it has seen are told.
        auxiliary: Answers of each auxiliary task, in the order of the output of `model.onnx` with its name
            (`auxiliary_plane`).
        data_names: Names of the data it was trained on, without paths: collections, or the file or folder of the data;
            empty for the synthetic dataset.
        format: Version of the run folder.
    """

    task: str
    classes: tuple[str, ...]
    positive: tuple[bool, ...]
    preprocessing: Preprocessing
    threshold: float
    operating_point: Mapping[str, Any] | None
    rejection: Mapping[str, Any] | None
    aggregation: Aggregation
    certified_sensitivity: float | None
    certified_error: float | None
    ood: Mapping[str, Any]
    temperature: float
    backbone: Mapping[str, Any]
    domains: tuple[str, ...]
    acquisition: Mapping[str, Mapping[str, Any]]
    synthetic: bool
    data_hash: str
    weights_hash: str
    copy_rule: CopyRule
    auxiliary: Mapping[str, Sequence[str]] = field(default_factory=dict)
    data_names: tuple[str, ...] = ()
    aggregation_reason: str = ""
    of_images: float | None = None
    negative_series: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def is_ensemble(self) -> bool:
        """Whether the network holds those of several runs and averages their answers."""
        return "members" in self.backbone

    @property
    def trunks(self) -> tuple[Mapping[str, Any], ...]:
        """What `backbone` says of each backbone that the network holds: of one, or of each member of an ensemble."""
        return tuple(self.backbone.get("members", (self.backbone,)))

    @property
    def image_threshold(self) -> float:
        """The threshold for a single image."""
        return self.threshold if self.of_images is None else self.of_images

    def to_json(self) -> dict[str, Any]:
        """Makes the content of `model.json`: a dictionary of all attributes by name, nested records as dictionaries."""
        return asdict(self)


def read_model_record(run: Path) -> ModelRecord:
    """Reads the model record of a run from its `model.json`.

    Args:
        run: The run folder.

    Raises:
        RunError: The file is missing, damaged, of another format, has a value that is not allowed, or judges series by
            a pool that does not exist.
    """
    tree = read_json(run / "model.json")
    _check_format(run, tree)
    if (fault := fault_of(tree)) is not None:
        raise RunError(f"{run}/model.json {fault}; {COPY_AGAIN}")
    try:
        spec = Preprocessing(**tree.pop("preprocessing"))
        pooled = tree.pop("aggregation")
        if unknown := sorted(set(pooled["pools"]) - set(POOLS)):
            raise RunError(
                f"{run}/model.json judges series by the pool {unknown[0]!r}; this version has {', '.join(POOLS)}: "
                "train again"
            )
        aggregation = Aggregation(tuple(pooled["pools"]), tuple(pooled["weights"]), float(pooled["bias"]))
        rule = CopyRule(**tree.pop("copy_rule"))
        lists: dict[str, Any] = {key: tuple(tree.pop(key)) for key in ("classes", "positive", "domains", "data_names")}
        return ModelRecord(preprocessing=spec, aggregation=aggregation, copy_rule=rule, **lists, **tree)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{run}/model.json does not have the fields of a model record ({error}); train again") from None


def _check_format(run: Path, tree: Mapping[str, Any]) -> None:
    if tree.get("format") != FORMAT:
        raise RunError(
            f"{run}/model.json has format {tree.get('format')!r}; this version reads {FORMAT}: train again, or update "
            "where the format is a later one"
        )
