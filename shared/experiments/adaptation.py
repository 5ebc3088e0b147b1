"""Unsupervised domain adaptation of one target: trains every setting, chooses without target labels, reports the test.

A model trained on the source alone is always among the runs, and is kept unless the choice is surely better. The
setting that target labels would have chosen (the oracle) and a model trained on them (the upper bound) are reported,
and decide nothing.
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
        loss_weights: Weights of the adaptation loss, each tried with each strategy that has one; empty: as configured.
        rule: Name of the rule that chooses the setting, from `shared.adaptation.criteria.setting_rules`. A rule that
            uses the unlabelled target also chooses the checkpoint of each run, unless `strategy.selection` is "last".
            The default chose right on digits, where entropy and neighbourhood density did not (docs/lab-log.md, "Rules
            that choose without labels").
        label_shift: Whether source images are weighted so that their class shares are those estimated of the target.
        upper_bound: Whether to train on the target's labels too, for comparison.
    """

    strategies: tuple[str, ...] = ("dann",)
    loss_weights: tuple[float, ...] = ()
    rule: str = "mutual_information"
    label_shift: bool = False
    upper_bound: bool = True

    def check(self) -> None:
        """Checks the names and options of the plan.

        Raises:
            ConfigError: The rule is unknown, a strategy does not learn from a target, or no strategy has a loss weight
                or a target prior that was asked for.
            UnknownNameError: A strategy is unknown.
        """
        if self.rule not in setting_rules():
            raise ConfigError(unknown_name("selection rule", self.rule, setting_rules()))
        for name in self.strategies:
            if not find_strategy(name).learns_from_target:
                allowed = ", ".join(target_strategies())
                raise ConfigError(f"--strategy {name} does not learn from a target; allowed: {allowed}")
        names = " and ".join(self.strategies)
        if self.loss_weights and not any(_has_option(name, "weight") for name in self.strategies):
            raise ConfigError(f"--loss-weight: {names} has no adaptation loss to weight; leave it out")
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
    """

    source: Run
    adapted: tuple[Run, ...]
    upper_bound: Run | None
    no_upper_bound: str | None
    prior: dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """The run that a rule chose without target labels, and the run that is kept.

    Attributes:
        chosen: Run of the setting with the highest value under the rule.
        kept: `chosen` where it surely beats the source alone under the rule, else the run on the source alone.
        values: Value of every run under the rule, by the name of the run.
        statement: Which run is kept, and why, in a sentence.
    """

    chosen: Run
    kept: Run
    values: dict[str, float]
    statement: str


def adapt(task: Task, config: Config, plan: Plan, folder: Path, *, root: Path, progress: Progress) -> dict[str, Any]:
    """Adapts to a target: trains the source alone and every setting, chooses one run, and measures the test.

    The kept run is copied to `folder/kept`, where its certificate allows for the choice among all settings.

    Args:
        task: The application.
        config: The configuration that all runs share; `data.target` names the target, and `strategy` holds options of
            all strategies.
        plan: The settings to try and the rule.
        folder: Folder of the runs; finished runs in it are used again.
        root: Folder for generated synthetic data.
        progress: Called with (what, done, total, note).

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
    config = _checked(task, config, plan)
    trials = train_all(task, config, plan, folder, root=root, progress=progress)
    choice = choose(trials, plan.rule)
    kept = _keep(trials, choice.kept, folder / SELECTED)
    rule = kept.operating_point or kept.rejection or {}
    return summarise(task, config, plan, trials, choice) | {"certificate": rule["statement"]}


def _checked(task: Task, config: Config, plan: Plan) -> Config:
    """Checks every setting before the first is trained; returns the configuration that all runs share.

    Raises:
        ConfigError: There is no target, or a setting does not fit.
    """
    if config.data.target is None:
        raise ConfigError("nothing to adapt to: name the target's domain (--target, or data.target.domain)")
    _check_options(config)
    if plan.rule in LABEL_FREE and config.strategy.get("selection") != LAST:
        config = config.model_copy(update={"strategy": {**config.strategy, "selection": plan.rule}})
    for _, options in _settings(config, plan, None):
        preflight(task, config.model_copy(update={"strategy": options}))
    return config


def train_all(task: Task, config: Config, plan: Plan, folder: Path, *, root: Path, progress: Progress) -> Trials:
    """Trains without adaptation, with every setting, and on the target's labels (the upper bound) where they are known.

    Args:
        task: The application.
        config: The configuration that all runs share; it names a target.
        plan: The settings to try.
        folder: Folder of the runs; finished runs in it are used again.
        root: Folder for generated synthetic data.
        progress: Called with (what, done, total, note).

    Returns:
        The finished runs. Where the data do not allow an upper bound, that is left out and the reason is recorded.

    Raises:
        MedtlError: A run cannot be trained.
    """

    def train(name: str, strategy: Mapping[str, Any], labels: str | None = None) -> Run:
        assert config.data.target is not None  # `_checked` refuses it
        reverse = plan.rule == REVERSE_RULE and labels is None
        changes = {"labels": labels or config.data.target.labels, "reverse_validation": reverse}
        data = config.data.model_copy(update={"target": config.data.target.model_copy(update=changes)})
        changed = config.model_copy(update={"data": data, "strategy": dict(strategy)})
        path = folder / name.replace(" ", "-").replace("=", "-")
        train_run(task, changed, root=root, out=path, progress=lambda what, *rest: progress(f"{name}: {what}", *rest))
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
    return Trials(source, adapted, upper_bound, missing, prior)


def choose(trials: Trials, rule: str) -> Choice:
    """Chooses among the adapted runs without target labels; keeps the source alone unless the choice is surely better.

    Args:
        trials: The finished runs, at least one of them adapted.
        rule: Name of the rule, from `shared.adaptation.criteria.setting_rules`.

    Raises:
        UnknownNameError: There is no such rule.
    """
    values = {run.name: score_run(run, rule) for run in (trials.source, *trials.adapted)}
    chosen = max(trials.adapted, key=lambda run: values[run.name])
    count = len(trials.adapted)
    gain, interval = bootstrap_gain(chosen, trials.source, rule, choices=count)
    kept = chosen if interval is not None and interval[0] > 0 else trials.source
    return Choice(chosen, kept, values, statement(chosen.name, rule, gain, interval, choices=count))


def summarise(task: Task, config: Config, plan: Plan, trials: Trials, choice: Choice) -> dict[str, Any]:
    """Measures the source, the kept and the chosen run, the oracle and the upper bound on the test.

    Args:
        task: The application.
        config: The configuration that all runs share; it names a target.
        plan: The settings that were tried.
        trials: The finished runs.
        choice: The run that was chosen, and the run that is kept.

    Returns:
        Plain data: `target` (domain), `rule` and `oracle_rule` (names), `settings` (a row for each run), `chosen` and
        `kept` (names of runs), `statement`, `prior`, `no_bound` (why there is no upper bound, or None), `columns`
        (`run`, `epoch`, and `domains`, the measures of the test by domain, for each of these runs), and `runs` (name of
        the folder of each run). Without target labels `columns` has no oracle; it has an upper bound only if that was
        trained.
    """
    assert config.data.target is not None  # `_checked` refuses it
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
        "rule": plan.rule,
        "oracle_rule": oracle_rule,
        "settings": [_setting(run, choice.values[run.name], oracle_rule if labelled else None) for run in runs],
        "chosen": chosen.name,
        "kept": kept.name,
        "statement": choice.statement,
        "prior": trials.prior,
        "no_bound": trials.no_upper_bound,
        "columns": {name: _measure_test(run, epoch, targets) for name, (run, epoch) in columns.items()},
        "runs": {run.name: str(run.path.name) for run in runs},
    }


def statement(chosen: str, rule: str, gain: float, interval: tuple[float, float] | None, *, choices: int = 1) -> str:
    """Writes in a sentence which run is kept, and why: the setting if the interval lies above 0, else the source alone.

    Args:
        chosen: Name of the setting with the highest value under the rule.
        rule: Name of the rule.
        gain: Value of the setting under the rule, less that of the source alone.
        interval: 95% interval of the gain; None where there are too few units for one.
        choices: Number of settings among which it was chosen.
    """
    if interval is None:
        return f"Source only is kept: too few units for {rule} to show whether {chosen} is better ({gain:+.3f})."
    difference = f"{rule} differs by {gain:+.3f} [{interval[0]:+.3f}, {interval[1]:+.3f}] from source only"
    if choices > 1:
        difference += f" (an interval that allows for the choice among {choices})"
    if interval[0] > 0:
        return f"{chosen} is kept: {difference}."
    return (
        f"NEGATIVE TRANSFER ALARM: source only is kept; without labels nothing shows that {chosen} is better: "
        f"{difference}."
    )


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
    settings = []
    for strategy in plan.strategies:
        if plan.loss_weights and _has_option(strategy, "weight"):
            settings += [
                (f"{strategy} weight={weight:g}", _options(config, strategy, weight=weight, **extra))
                for weight in plan.loss_weights
            ]
        else:
            settings.append((strategy, _options(config, strategy, **extra)))
    return settings


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


def _setting(run: Run, value: float, oracle_rule: str | None) -> dict[str, Any]:
    """One setting's value under the rule at its kept epoch and, where there is an oracle, the oracle's best epoch."""
    setting: dict[str, Any] = {
        "name": run.name,
        "rule": value,
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
        column["domains"][domain] = evaluate(
            softmax(test.scores[epoch][inside] / temperature),
            test.labels[inside],
            replace(record, threshold=decision.chosen.threshold, aggregation=decision.aggregation),
            grouping=test.grouping.of_those(inside),
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
