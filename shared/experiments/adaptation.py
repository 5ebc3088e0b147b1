"""Unsupervised domain adaptation of one target: trains every setting, chooses without target labels, reports the test.

A model trained on the source alone is always among the runs, and is kept unless two unlike rules prefer the choice. The
setting that target labels would have chosen (the oracle) and a model trained on them (the upper bound) are reported,
and decide nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from shared.adaptation.choice import AUTO, CHECKPOINT_RULE, Choice, choice_rules, choose
from shared.adaptation.criteria import REVERSE_RULE, Run, oracle_epoch
from shared.adaptation.label_shift import estimate_prior
from shared.adaptation.target import EPOCHS_FOLDER
from shared.config.schema import Config
from shared.errors import ConfigError, DataError
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.decision.decide import decide
from shared.evaluation.evaluate import evaluate
from shared.evaluation.unjudged import silenced
from shared.pipeline.decision import decision_targets
from shared.pipeline.preflight import preflight
from shared.pipeline.train import end_experiment
from shared.progress import Progress
from shared.registry import unknown_name
from shared.runs.certificate import certify_anew, models_among
from shared.runs.record import ModelRecord, read_model_record
from shared.strategies import find_strategy, strategy_names, target_strategies
from shared.task import Task
from shared.training.selection import LABEL_FREE, LAST

SOURCE_ONLY, CHOSEN, UPPER_BOUND = "source only", "label-free", "trained on target labels"
SELECTED = "kept"
"""Name of the folder that the selected run is copied to."""


@dataclass(frozen=True)
class Plan:
    """The settings that an adaptation tries, and the rule that chooses among them.

    Attributes:
        strategies: Names of strategies that learn from a target.
        loss_weights: Weights of the adaptation loss to try, by the name of the strategy. One that is not named here
            takes the configured weight where the configuration names that strategy and a weight, else its own
            `loss_weights`.
        rule: Name of the rule that chooses the setting, from `shared.adaptation.choice.choice_rules`; an unlike one
            must agree. A rule that uses the unlabelled target also chooses the checkpoint of each adapted run, unless
            `strategy.selection` is "last".
        label_shift: Whether source images are weighted so that their class shares are those estimated of the target.
        upper_bound: Whether to train on the target's labels too, for comparison.
    """

    strategies: tuple[str, ...] = ("dann",)
    loss_weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    rule: str = AUTO
    label_shift: bool = False
    upper_bound: bool = True

    def check(self) -> None:
        """Checks the names and options of the plan.

        Raises:
            ConfigError: The rule is unknown, a strategy does not learn from a target, a weight is given for a strategy
                that is not tried or has no adaptation loss, or no strategy has the target prior that was asked for.
            UnknownNameError: A strategy is unknown.
        """
        if self.rule not in choice_rules():
            raise ConfigError(unknown_name("selection rule", self.rule, choice_rules()))
        for name in self.strategies:
            if not find_strategy(name).learns_from_target:
                allowed = ", ".join(target_strategies())
                raise ConfigError(f"--strategy {name} does not learn from a target; allowed: {allowed}")
        names = " and ".join(self.strategies)
        for name in self.loss_weights:
            if name not in self.strategies:
                raise ConfigError(f"--loss-weight {name}: the strategies that are tried are {names}; leave it out")
            if not find_strategy(name).loss_weights:
                raise ConfigError(f"--loss-weight: {name} has no adaptation loss to weight; leave it out")
        if self.label_shift and not any(_has_option(name, "target_prior") for name in self.strategies):
            raise ConfigError(f"--label-shift: {names} does not weight classes; leave it out")


@dataclass(frozen=True)
class Trials:
    """The finished runs of an adaptation.

    Attributes:
        source: Run on the source alone.
        adapted: One run for each setting.
        upper_bound: Run on the target's labels; None: there is none.
        no_upper_bound: Why there is no upper bound; None where there is one, or none was asked for.
        prior: Class shares of source and target as plain data: estimated, predicted and, with labels, true.
        make_whole: By the name of each run that may be kept, what makes it whole (`shared.pipeline.train.Ended`).
    """

    source: Run
    adapted: tuple[Run, ...]
    upper_bound: Run | None
    no_upper_bound: str | None
    prior: dict[str, Any]
    make_whole: Mapping[str, Callable[[], None]]


def adapt(
    task: Task, config: Config, plan: Plan, folder: Path, *, root: Path, progress: Progress, keep: bool = False
) -> dict[str, Any]:
    """Adapts to a target: trains the source alone and every setting, chooses one run, and measures the test.

    The kept run is made whole and copied to `folder/kept`, where its certificate allows for the choice among all
    settings.

    Args:
        task: The application.
        config: The configuration that all runs share; `data.target` names the target, and `strategy` holds options of
            all strategies.
        plan: The settings to try and the rule.
        folder: Folder of the runs; finished runs in it are used again.
        root: Folder for generated synthetic data.
        progress: Called with (what, done, total, note).
        keep: Whether each run that may be kept is whole, with a report; else all but the kept one hold their numbers
            and weights.

    Returns:
        Plain data: `settings` (a row for each run), `columns` (measures of the test by domain), `chosen` and `kept`
        (names of runs), `statement` (a sentence: which run is kept, and why), `prior` (class shares of source and
        target), `certificate` (a sentence on the kept run), and `no_bound`: why no run was trained on the target's
        labels as the upper bound, or None. Where the
        target has labels, `columns` also shows the run that they would choose (the oracle).

    Raises:
        ConfigError: There is no target, or a rule, strategy or option is unknown or does not fit.
        MedtlError: A run cannot be trained.
    """
    plan.check()
    _check_settings(task, config, plan)
    trials = train_all(task, config, plan, folder, root=root, progress=progress, keep=keep)
    choice = choose(trials.source, trials.adapted, plan.rule)
    trials.make_whole[choice.kept.name]()
    kept = _keep(trials, choice.kept, folder / SELECTED)
    rule = kept.operating_point or kept.rejection or {}
    return summarise(task, config, plan, trials, choice) | {"certificate": rule["statement"]}


def _check_settings(task: Task, config: Config, plan: Plan) -> None:
    """Checks every setting before the first is trained.

    Raises:
        ConfigError: There is no target, or a setting does not fit.
    """
    if config.data.target is None:
        raise ConfigError("nothing to adapt to: name the target's domain (--target, or data.target.domain)")
    _check_options(config)
    for _, options in _settings(config, plan, None):
        preflight(task, config.model_copy(update={"strategy": options}))


def train_all(
    task: Task, config: Config, plan: Plan, folder: Path, *, root: Path, progress: Progress, keep: bool = False
) -> Trials:
    """Trains without adaptation, with every setting, and on the target's labels (the upper bound) where they are known.

    Args:
        task: The application.
        config: The configuration that all runs share; it names a target.
        plan: The settings to try.
        folder: Folder of the runs; finished runs in it are used again.
        root: Folder for generated synthetic data.
        progress: Called with (what, done, total, note).
        keep: Whether each run that may be kept is whole.

    Returns:
        The finished runs. Where the data do not allow an upper bound, that is left out and the reason is recorded.

    Raises:
        MedtlError: A run cannot be trained.
    """
    make_whole = dict[str, Callable[[], None]]()

    def train(name: str, strategy: Mapping[str, Any], labels: str | None = None) -> Run:
        assert config.data.target is not None  # `_check_settings` refuses it
        reverse: bool | str = False
        if labels is None:
            reverse = True if plan.rule == REVERSE_RULE else "where_cheap"
        changes = {"labels": labels or config.data.target.labels, "reverse_validation": reverse}
        data = config.data.model_copy(update={"target": config.data.target.model_copy(update=changes)})
        changed = config.model_copy(update={"data": data, "strategy": dict(strategy)})
        path = folder / name.replace(" ", "-").replace("=", "-")
        ended = end_experiment(
            preflight(task, changed),
            root=root,
            out=path,
            whole=keep and labels is None,  # the upper bound is only compared
            progress=lambda what, *rest: progress(f"{name}: {what}", *rest),
        )
        if labels is None:
            make_whole[name] = ended.make_whole
        return Run.read(name, path)

    source = train(SOURCE_ONLY, _options(config, "finetune"))
    prior = _prior(source)
    shares = tuple(round(share, 6) for share in prior["estimated"]) if plan.label_shift else None
    adapted = tuple(train(name, options) for name, options in _settings(config, plan, shares))
    upper_bound, missing = None, "the target has no labels" if config.data.target_is_unlabelled else None
    if plan.upper_bound and missing is None:
        try:
            upper_bound = train(UPPER_BOUND, _upper_bound_options(config), labels="used")
        except DataError as error:  # a target with few images or one class can still be adapted to
            missing = str(error)
    return Trials(source, adapted, upper_bound, missing, prior, make_whole)


def summarise(task: Task, config: Config, plan: Plan, trials: Trials, choice: Choice) -> dict[str, Any]:
    """Measures the source, the kept and the chosen run, the oracle and the upper bound on the test.

    Args:
        task: The application.
        config: The configuration that all runs share; it names a target.
        plan: The settings that were tried.
        trials: The finished runs.
        choice: The run that was chosen, and the run that is kept.

    Returns:
        Plain data: `target` (domain), `rules` (the rule that chose, and the one that had to agree) and `oracle_rule`
        (names), `settings` (a row for each run), `chosen` and
        `kept` (names of runs), `statement`, `prior`, `no_bound` (why there is no upper bound, or None), `columns`
        (`run`, `epoch`, and `domains`, the measures of the test by domain, for each of these runs), and `runs` (name of
        the folder of each run). Without target labels `columns` has no oracle; it has an upper bound only if that was
        trained.
    """
    assert config.data.target is not None  # `_check_settings` refuses it
    source, kept, chosen = trials.source, choice.kept, choice.chosen
    labelled = not config.data.target_is_unlabelled
    oracle_rule = "log_likelihood" if task.positive_name is not None else "balanced_accuracy"
    columns = {
        SOURCE_ONLY: (source, source.kept),
        CHOSEN: (kept, kept.kept),
        "chosen setting, kept or not": (chosen, chosen.kept),
    }
    runs = (source, *trials.adapted)
    if labelled:
        best = max(((run, *oracle_epoch(run, oracle_rule)) for run in runs), key=lambda found: found[2])
        columns["oracle"] = best[:2]
    if trials.upper_bound is not None:
        columns[UPPER_BOUND] = (trials.upper_bound, trials.upper_bound.kept)
    targets = decision_targets(preflight(task, config).decision)
    return {
        "target": config.data.target.domain,
        "rules": list(choice.values),
        "oracle_rule": oracle_rule,
        "settings": [_setting(run, choice, oracle_rule if labelled else None) for run in runs],
        "chosen": chosen.name,
        "kept": kept.name,
        "statement": choice.statement,
        "prior": trials.prior,
        "no_bound": trials.no_upper_bound,
        "columns": {name: _measure_test(run, epoch, targets) for name, (run, epoch) in columns.items()},
        "runs": {run.name: str(run.path.name) for run in runs},
    }


def _check_options(config: Config) -> None:
    """Refuses options that no strategy has; all strategies share one section, so each may hold options of others.

    Raises:
        ConfigError: No strategy has such an option.
    """
    known = sorted({option for name in strategy_names() for option in find_strategy(name).options.model_fields})
    for option in config.strategy:
        if option not in known:
            raise ConfigError(unknown_name("option of a strategy", option, known))


def _options(config: Config, strategy: str, **extra: Any) -> dict[str, Any]:
    """The shared options, and extra ones, that a strategy has."""
    known = find_strategy(strategy).options.model_fields
    options = {key: value for key, value in config.strategy.items() if key in known}
    if options.get("batch_norm") not in (None, *get_args(known["batch_norm"].annotation)):
        options["batch_norm"] = "train"  # "per_domain", which this strategy does not have
    return {**options, "name": strategy, **{key: value for key, value in extra.items() if key in known}}


def _upper_bound_options(config: Config) -> dict[str, Any]:
    """Options of fine-tuning on target labels, which selects its checkpoint by labels."""
    options = _options(config, "finetune")
    return {**options, "selection": "log_likelihood"} if options.get("selection") in LABEL_FREE else options


def _settings(config: Config, plan: Plan, shares: Sequence[float] | None) -> list[tuple[str, dict[str, Any]]]:
    """Name and options of every setting that is tried."""
    extra: dict[str, Any] = {} if shares is None else {"target_prior": list(shares)}
    if config.strategy.get("selection") != LAST and (plan.rule == AUTO or plan.rule in LABEL_FREE):
        extra["selection"] = CHECKPOINT_RULE if plan.rule == AUTO else plan.rule
    settings = []
    for name in plan.strategies:
        for weight in _loss_weights(config, plan, name):
            if weight is None:
                settings.append((name, _options(config, name, **extra)))
            else:
                settings.append((f"{name} weight={weight:g}", _options(config, name, weight=weight, **extra)))
    return settings


def _loss_weights(config: Config, plan: Plan, strategy: str) -> Sequence[float | None]:
    """Weights of the adaptation loss with which a strategy is tried; None stands for a strategy without such a loss."""
    if strategy in plan.loss_weights:
        return plan.loss_weights[strategy]
    if config.strategy.get("name") == strategy and "weight" in config.strategy:
        return (config.strategy["weight"],)
    return find_strategy(strategy).loss_weights or (None,)


def _has_option(strategy: str, option: str) -> bool:
    """Whether a strategy has an option of that name."""
    return option in find_strategy(strategy).options.model_fields


def _prior(source: Run) -> dict[str, Any]:
    """Class shares of source and target: estimated, predicted and, where the target has labels, true."""
    classes = read_model_record(source.path).classes
    probabilities, target = (softmax(split.scores[source.kept]) for split in (source.validation, source.target))
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
    """Share of each class among labels."""
    shares: list[float] = (np.bincount(labels, minlength=classes) / len(labels)).tolist()
    return shares


def _setting(run: Run, choice: Choice, oracle_rule: str | None) -> dict[str, Any]:
    """One setting's values under the rules at its kept epoch and, where there is an oracle, the oracle's best epoch."""
    setting: dict[str, Any] = {
        "name": run.name,
        "values": {rule: values[run.name] for rule, values in choice.values.items()},
        "epoch": run.kept + 1,
        "domain_accuracy": [row["domain_accuracy"] for row in run.history if "domain_accuracy" in row],
    }
    if oracle_rule is not None:
        epoch, setting["oracle"] = oracle_epoch(run, oracle_rule)
        setting["oracle_epoch"] = epoch + 1
    return setting


def _measure_test(run: Run, epoch: int, targets: Mapping[str, Any]) -> dict[str, Any]:
    """Measures of the test by domain, with temperature and threshold of the run's validation after that epoch."""
    record, validation, test = read_model_record(run.path), run.validation, run.test
    temperature = fit_temperature(validation.scores[epoch], validation.labels)
    probabilities = softmax(validation.scores[epoch] / temperature)
    positive = np.array(record.positive)
    decision = decide(
        probabilities,
        validation.labels,
        validation.grouping,
        positive,
        choices=1,
        **targets,
    )
    column: dict[str, Any] = {"run": run.name, "epoch": epoch + 1, "domains": {}}
    for domain in sorted(set(test.domains)):
        inside = np.array([name == domain for name in test.domains])
        grouping, labels = test.grouping.of_those(inside), test.labels[inside]
        column["domains"][domain] = evaluate(
            silenced(softmax(test.scores[epoch][inside] / temperature), labels, record.positive, grouping),
            labels,
            replace(
                record,
                threshold=decision.chosen.threshold,
                of_images=decision.of_images,
                aggregation=decision.aggregation,
            ),
            grouping=grouping,
            domains=[domain] * int(inside.sum()),
        )
    return column


def _keep(trials: Trials, run: Run, kept: Path) -> ModelRecord:
    """Copies a run without the scores by epoch, which only the choice needed, and certifies the copy anew.

    Every setting counts with all models among which it chose, for the source's validation judged all of them.
    """
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(run.path, kept, ignore=shutil.ignore_patterns(EPOCHS_FOLDER, ".lock"))
    every = (trials.source, *trials.adapted)
    certify_anew(kept, sum(models_among(read_model_record(one.path)) for one in every))
    return read_model_record(kept)
