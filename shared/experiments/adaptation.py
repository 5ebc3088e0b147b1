"""Adapts to a target without its labels, chooses without them, and keeps the source alone where nothing speaks for it.

The source alone is always trained. What target labels would have chosen (the oracle) and what training on them would
have given (the upper bound) stand next to it, and decide nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from shared.adaptation.criteria import REVERSE_RULE, Run, bootstrap_gain, oracle_epoch, score_run, setting_rules
from shared.adaptation.label_shift import estimate_prior
from shared.adaptation.target import EPOCHS_FOLDER
from shared.config.schema import Config
from shared.errors import ConfigError, DataError
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.decision.decide import decide
from shared.evaluation.evaluate import evaluate
from shared.pipeline.finish import decision_targets
from shared.pipeline.preflight import preflight
from shared.pipeline.train import run as train_run
from shared.progress import Progress
from shared.registry import unknown_name
from shared.runs.record import read_model_record
from shared.strategies import find_strategy, strategy_names, target_strategies
from shared.task import Task
from shared.training.selection import LABEL_FREE, LAST

SOURCE_ONLY, UPPER_BOUND = "source only", "trained on target labels"
SELECTED = "kept"
"""The folder of the model that is kept."""


@dataclass(frozen=True)
class Plan:
    """What is tried, and how it is chosen.

    Attributes:
        strategies: Names of strategies that learn from a target.
        loss_weights: Weights of the adaptation loss, each tried with each strategy that has one; empty: as configured.
        rule: One of `shared.adaptation.criteria.setting_rules`, by which the setting is chosen; a rule that judges the
            unlabelled target chooses the checkpoint of each run too, unless the last is kept. The default is right on
            digits where entropy and density are not (docs/lab-log.md).
        label_shift: Whether source images count as if their classes had the shares that are estimated of the target.
        upper_bound: Whether to train on the target's labels too, to compare.
    """

    strategies: tuple[str, ...] = ("dann",)
    loss_weights: tuple[float, ...] = ()
    rule: str = "mutual_information"
    label_shift: bool = False
    upper_bound: bool = True

    def check(self) -> None:
        """Looks up every name.

        Raises:
            ConfigError: No such rule, a strategy that learns from no target, or weights or class shares that none has.
            UnknownNameError: No such strategy.
        """
        if self.rule not in setting_rules():
            raise ConfigError(unknown_name("selection rule", self.rule, setting_rules()))
        for name in self.strategies:
            if not find_strategy(name).learns_from_target:
                allowed = ", ".join(target_strategies())
                raise ConfigError(f"strategy {name} learns nothing from a target; allowed: {allowed}")
        if self.loss_weights and not any(_has(name, "weight") for name in self.strategies):
            raise ConfigError(f"{' and '.join(self.strategies)} has no weight; leave out --loss-weight")
        if self.label_shift and not any(_has(name, "target_prior") for name in self.strategies):
            raise ConfigError(f"{' and '.join(self.strategies)} weighs no classes; leave out --label-shift")


@dataclass(frozen=True)
class Trials:
    """Every run of an adaptation.

    Attributes:
        source: Trained on the source alone.
        adapted: One for each setting.
        upper_bound: Trained on the target's labels, or None.
        no_upper_bound: Why there is none, or None.
        prior: Class shares of source and target, estimated and true.
    """

    source: Run
    adapted: tuple[Run, ...]
    upper_bound: Run | None
    no_upper_bound: str | None
    prior: dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """What a rule without target labels chose.

    Attributes:
        chosen: The setting that the rule prefers.
        kept: The same, or the source where nothing sure speaks for it.
        values: The rule's value of every run, by its name.
        statement: Which is kept, and why, in a sentence.
    """

    chosen: Run
    kept: Run
    values: dict[str, float]
    statement: str


def adapt(task: Task, config: Config, plan: Plan, folder: Path, *, root: Path, progress: Progress) -> dict[str, Any]:
    """Trains the source alone and every setting, chooses, judges the test, and copies what is kept to `folder/kept`.

    Args:
        task: The application.
        config: The configuration of every run; `data.target` names the target, `strategy` what all strategies share.
        plan: What is tried.
        folder: Where everything is written; finished runs in it are used again.
        root: Where synthetic data lie.
        progress: Called with (what, done, total, note).

    Returns:
        Plain data: `settings`, `columns` (each judged on the test, by domain), `chosen`, `kept`, `statement`, `prior`,
        and under `no_bound` why there is no upper bound, or None. A target without labels has no oracle either.

    Raises:
        ConfigError: There is no target, or no such rule, strategy or option.
        MedtlError: A run cannot be trained.
    """
    plan.check()
    config = _checked(task, config, plan)
    trials = train_all(task, config, plan, folder, root=root, progress=progress)
    choice = choose(trials, plan.rule)
    _copy(choice.kept.path, folder / SELECTED)
    return summarise(task, config, plan, trials, choice)


def _checked(task: Task, config: Config, plan: Plan) -> Config:
    """The configuration that all runs share, after every setting was checked before the first is trained."""
    if config.data.target is None:
        raise ConfigError("nothing to adapt to: name the target's domain (--target, or data.target.domain)")
    _check_options(config)
    if plan.rule in LABEL_FREE and config.strategy.get("selection") != LAST:
        config = config.model_copy(update={"strategy": {**config.strategy, "selection": plan.rule}})
    for _, options in _settings(config, plan, None):
        preflight(task, config.model_copy(update={"strategy": options}))
    return config


def train_all(task: Task, config: Config, plan: Plan, folder: Path, *, root: Path, progress: Progress) -> Trials:
    """Trains the source alone, every setting, and the upper bound where it can be trained; arguments as of `adapt`."""

    def trained(name: str, strategy: Mapping[str, Any], labels: str | None = None) -> Run:
        assert config.data.target is not None  # `_checked` refuses it
        back = plan.rule == REVERSE_RULE and labels is None
        stated = {"labels": labels or config.data.target.labels, "reverse_validation": back}
        data = config.data.model_copy(update={"target": config.data.target.model_copy(update=stated)})
        changed = config.model_copy(update={"data": data, "strategy": dict(strategy)})
        path = folder / name.replace(" ", "-").replace("=", "-")
        train_run(task, changed, root=root, out=path, progress=lambda what, *rest: progress(f"{name}: {what}", *rest))
        return Run.read(name, path)

    source = trained(SOURCE_ONLY, _options(config, "finetune"))
    prior = _prior(source)
    shares = tuple(round(share, 6) for share in prior["estimated"]) if plan.label_shift else None
    adapted = tuple(trained(name, options) for name, options in _settings(config, plan, shares))
    bound, missing = None, "the target has no labels" if config.data.target_is_unlabelled else None
    if plan.upper_bound and missing is None:
        try:
            bound = trained(UPPER_BOUND, _trained_on_target(config), labels="used")
        except DataError as error:  # a target of few images or one class may well be adapted to
            missing = str(error)
    return Trials(source, adapted, bound, missing, prior)


def choose(trials: Trials, rule: str) -> Choice:
    """Chooses among the settings without target labels, and keeps the source where nothing sure speaks for one."""
    values = {run.name: score_run(run, rule) for run in (trials.source, *trials.adapted)}
    chosen = max(trials.adapted, key=lambda run: values[run.name])
    count = len(trials.adapted)
    gain, interval = bootstrap_gain(chosen, trials.source, rule, choices=count)
    kept = chosen if interval is not None and interval[0] > 0 else trials.source
    return Choice(chosen, kept, values, statement(chosen.name, rule, gain, interval, choices=count))


def summarise(task: Task, config: Config, plan: Plan, trials: Trials, choice: Choice) -> dict[str, Any]:
    """What `adapt` returns: every column judged on the test, the oracle and the upper bound beside."""
    assert config.data.target is not None  # `_checked` refuses it
    source, kept, chosen = trials.source, choice.kept, choice.chosen
    labelled = not config.data.target_is_unlabelled
    main = "log_likelihood" if task.positive_name is not None else "balanced_accuracy"
    columns = {
        SOURCE_ONLY: (source, source.kept),
        "label-free": (kept, kept.kept),
        "adapted, whatever speaks for it": (chosen, chosen.kept),
    }
    runs = (source, *trials.adapted)
    if labelled:
        best = max(((run, *oracle_epoch(run, main)) for run in runs), key=lambda found: found[2])
        columns["oracle"] = best[:2]
    if trials.upper_bound is not None:
        columns[UPPER_BOUND] = (trials.upper_bound, trials.upper_bound.kept)
    targets = decision_targets(preflight(task, config).decision)
    return {
        "target": config.data.target.domain,
        "rule": plan.rule,
        "oracle_rule": main,
        "settings": [_setting(run, choice.values[run.name], main if labelled else None) for run in runs],
        "chosen": chosen.name,
        "kept": kept.name,
        "statement": choice.statement,
        "prior": trials.prior,
        "no_bound": trials.no_upper_bound,
        "columns": {name: _judged(run, epoch, targets) for name, (run, epoch) in columns.items()},
        "runs": {run.name: str(run.path.name) for run in runs},
    }


def statement(chosen: str, rule: str, gain: float, interval: tuple[float, float] | None, *, choices: int = 1) -> str:
    """Which model is kept, and why, in a sentence.

    Args:
        chosen: The setting that the rule prefers.
        rule: By which.
        gain: As of `shared.adaptation.criteria.bootstrap_gain`.
        interval: The same.
        choices: Among how many settings it was chosen.
    """
    if interval is None:
        return f"Source only is kept: too few units for {rule} to say whether {chosen} is better ({gain:+.3f})."
    said = f"{rule} differs by {gain:+.3f} [{interval[0]:+.3f}, {interval[1]:+.3f}] from source only"
    if choices > 1:
        said += f" (an interval that allows for the choice among {choices})"
    if interval[0] > 0:
        return f"{chosen} is kept: {said}."
    return f"NEGATIVE TRANSFER ALARM: source only is kept; nothing without labels says that {chosen} is better: {said}."


def _check_options(config: Config) -> None:
    """One configuration serves all methods, so an option of any is no fault of another; a misspelt one is.

    Raises:
        ConfigError: No strategy has such an option.
    """
    known = sorted({option for name in strategy_names() for option in find_strategy(name).options.model_fields})
    for option in config.strategy:
        if option not in known:
            raise ConfigError(unknown_name("option of a strategy", option, known))


def _options(config: Config, method: str, **more: Any) -> dict[str, Any]:
    """The options of the configuration as far as a strategy has them."""
    known = find_strategy(method).options.model_fields
    options = {key: value for key, value in config.strategy.items() if key in known}
    if options.get("batch_norm") not in (None, *get_args(known["batch_norm"].annotation)):
        options["batch_norm"] = "train"  # statistics by domain, of which this strategy knows nothing
    return {**options, "name": method, **{key: value for key, value in more.items() if key in known}}


def _trained_on_target(config: Config) -> dict[str, Any]:
    """Fine-tuning that chooses by the labels it has, for to it the target is not unlabelled."""
    options = _options(config, "finetune")
    return {**options, "selection": "log_likelihood"} if options.get("selection") in LABEL_FREE else options


def _settings(config: Config, plan: Plan, shares: Sequence[float] | None) -> list[tuple[str, dict[str, Any]]]:
    """Name and options of all that is tried."""
    more: dict[str, Any] = {} if shares is None else {"target_prior": list(shares)}
    found = []
    for method in plan.strategies:
        if plan.loss_weights and _has(method, "weight"):
            found += [
                (f"{method} weight={weight:g}", _options(config, method, weight=weight, **more))
                for weight in plan.loss_weights
            ]
        else:
            found.append((method, _options(config, method, **more)))
    return found


def _has(method: str, option: str) -> bool:
    return option in find_strategy(method).options.model_fields


def _prior(source: Run) -> dict[str, Any]:
    """What is thought of the target's class shares, and what they are on its validation."""
    classes = read_model_record(source.path).classes
    probabilities, target = (softmax(part.scores[source.kept]) for part in (source.validation, source.target))
    estimated = estimate_prior(probabilities, source.validation.labels, target)
    shares = {
        "classes": list(classes),
        "source": _shares(source.validation.labels, len(classes)),
        "estimated": estimated.tolist(),
        "answered": target.mean(axis=0).tolist(),
    }
    if (source.target.labels >= 0).all():
        shares["true, for the oracle alone"] = _shares(source.target.labels, len(classes))
    return shares


def _shares(labels: Any, classes: int) -> list[float]:
    shares: list[float] = (np.bincount(labels, minlength=classes) / len(labels)).tolist()
    return shares


def _setting(run: Run, value: float, main: str | None) -> dict[str, Any]:
    """What is told of one setting: the rule's value of the weights it kept, and the oracle's of its best epoch."""
    told: dict[str, Any] = {
        "name": run.name,
        "rule": value,
        "epoch": run.kept + 1,
        "domain_accuracy": [row["domain_accuracy"] for row in run.history if "domain_accuracy" in row],
    }
    if main is not None:
        epoch, told["oracle"] = oracle_epoch(run, main)
        told["oracle_epoch"] = epoch + 1
    return told


def _judged(run: Run, epoch: int, targets: Mapping[str, Any]) -> dict[str, Any]:
    """The test by domain, decided as validation of that run chooses after that epoch."""
    record, validation, test = read_model_record(run.path), run.validation, run.test
    temperature = fit_temperature(validation.scores[epoch], validation.labels)
    probabilities = softmax(validation.scores[epoch] / temperature)
    positive = np.array(record.positive)
    decision = decide(
        probabilities,
        validation.labels,
        validation.belonging,
        positive,
        choices=1,
        **targets,
    )
    found: dict[str, Any] = {"run": run.name, "epoch": epoch + 1, "domains": {}}
    for domain in sorted(set(test.domains)):
        inside = np.array([name == domain for name in test.domains])
        found["domains"][domain] = evaluate(
            softmax(test.scores[epoch][inside] / temperature),
            test.labels[inside],
            replace(record, threshold=decision.chosen.threshold, aggregation=decision.aggregation),
            belonging=test.belonging.of_those(inside),
            domains=[domain] * int(inside.sum()),
        )
    return found


def _copy(run: Path, kept: Path) -> None:
    """The run as any other, without what only the choice needed."""
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(run, kept, ignore=shutil.ignore_patterns(EPOCHS_FOLDER, ".lock"))
