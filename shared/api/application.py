"""The functions of an application: what notebooks use, and what the command line is a thin shell over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from shared.api.arguments import AnyPath, Settings, number_of, optional_path, path_of, paths_of, words_of
from shared.api.guard import in_words_of_python
from shared.errors import UsageError
from shared.progress import Progress, Showing, showing

if TYPE_CHECKING:
    from shared.api.answers import Answers
    from shared.api.listing import Backbone, Models
    from shared.api.results import Result
    from shared.api.run import Run
    from shared.api.serving import Pages
    from shared.api.studies import Adaptation, Advice, Audit, Comparison
    from shared.config.schema import Config
    from shared.pipeline.ensemble import Average
    from shared.samples import Dataset
    from shared.task import Task
    from shared.zero_shot.features import SideInformation

FOLDS = 5
COMPARISON = "compare"
"""Name of the comparison where none is named."""


class Application:
    """The functions of one application, as a library.

    Each function checks its arguments first, raises `shared.errors.MedtlError` for what a caller can mend, and
    shows progress unless `progress=False` is given; `progress` also takes a function of (what, done, total, note).

    Args:
        task: The application.
        root: Folder of runs; what is trained goes there, and names of runs are looked up there.
    """

    def __init__(self, task: Task, root: AnyPath = "runs") -> None:
        self.task, self.root = task, path_of("root", root)

    @overload
    def train(
        self,
        config: AnyPath | None = None,
        *,
        data: AnyPath | None = None,
        seed: int | None = None,
        settings: Settings | None = None,
        seeds: None = None,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Run: ...

    @overload
    def train(
        self,
        config: AnyPath | None = None,
        *,
        data: AnyPath | None = None,
        seed: int | None = None,
        settings: Settings | None = None,
        seeds: int,
        ensemble: Literal[True],
        average: Average | None = None,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Run: ...

    @overload
    def train(
        self,
        config: AnyPath | None = None,
        *,
        data: AnyPath | None = None,
        seed: int | None = None,
        settings: Settings | None = None,
        seeds: int,
        out: None = None,
        progress: Showing = True,
    ) -> list[Run]: ...

    @overload
    def train(
        self,
        config: AnyPath | None = None,
        *,
        data: AnyPath | None = None,
        seed: int | None = None,
        settings: Settings | None = None,
        seeds: int | None = None,
        ensemble: bool = False,
        average: Average | None = None,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Run | list[Run]: ...

    @in_words_of_python
    def train(
        self,
        config: AnyPath | None = None,
        *,
        data: AnyPath | None = None,
        seed: int | None = None,
        settings: Settings | None = None,
        seeds: int | None = None,
        ensemble: bool = False,
        average: Average | None = None,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Run | list[Run]:
        """Trains a model and evaluates it; a training that was interrupted goes on, a finished one is taken as it is.

        Args:
            config: Name of a configuration that comes with the package ("frozen"), or path of a YAML file; None: the
                defaults.
            data: The dataset: a folder, zip or manifest (CSV); None: as configured.
            seed: Seed of all that is drawn; None: as configured.
            settings: Further keys of the configuration, such as `{"backbone.name": "vgg16"}`.
            seeds: Number of runs, of consecutive seeds, that share one division of the data; None: one run.
            ensemble: Whether to make the mean of these runs.
            average: What is averaged then: the "answers", the "weights", or what validation prefers of both ("auto");
                None: "auto".
            out: Folder of the run, or of the mean; None: a new one under `root`.
            progress: Whether progress is shown; or the function that shows it.

        Returns:
            The run, or the mean of the runs; with `seeds` and without `ensemble`, a list of runs.

        Raises:
            ConfigError: The configuration has faults, or does not fit.
            DataError: The data cannot be read, split or learnt from.
            WeightsError: Pretrained weights are missing or damaged.
            UsageError: The arguments do not go together.
            TypeError: An argument has the wrong type.
        """
        from shared.api.run import Run
        from shared.api.training import train_folders

        count = None if seeds is None else number_of("seeds", seeds, 1)
        folder = optional_path("out", out)
        if ensemble and (count or 1) < 2:
            given = f"--seeds is {count or 1}"
            raise UsageError(f"--ensemble is the mean of several runs, and {given}; give --seeds 2 or more")
        if average is not None and not ensemble:
            raise UsageError(f"--average is {average}, and averages nothing without --ensemble; give both or none")
        if folder is not None and (count or 1) > 1 and not ensemble:
            raise UsageError(f"--out names one folder, and --seeds {count} trains as many runs; leave one of them out")
        settled = self._config(config, words_of(settings, data__source=optional_path("data", data), seed=seed))
        with showing(progress) as shown:
            folders, notes = train_folders(
                self.task, settled, count, self.root, folder, (average or "auto") if ensemble else None, shown
            )
        runs = [Run(self.task, one, self.root, notes=notes) for one in folders]
        return runs[0] if ensemble or count is None else runs

    @in_words_of_python
    def load_run(self, run: AnyPath | None = None, *, explicit: bool = False, released: bool = True) -> Run:
        """Opens a finished run, or a model that comes with the package; one that is open already is returned.

        Args:
            run: Its folder, its name under `root`, or the name of a model of the package ("brain-mri"); None: the
                default that `Run.use` chose, else the only run, else the only model of the package.
            explicit: Whether a person must have chosen it, by its name or as the default.
            released: Whether a model of the package that nobody chose may answer where there is no run.

        Raises:
            UsageError: There is no such run, it is unfinished or of another application, or it is open which one is
                meant.
            RunError: It is damaged.
            TypeError: `run` is no path.
        """
        from shared.api.run import Run
        from shared.runs.chosen import choose_run
        from shared.runs.folder import ANSWERING, check_finished
        from shared.runs.record import read_model_record

        if isinstance(run, Run) and run.task.name == self.task.name:
            return run
        chosen = choose_run(self.root, self.task.name, optional_path("run", run), explicit=explicit, released=released)
        check_finished(chosen.folder, ANSWERING)  # what else a run is asked for checks what it reads
        if (other := read_model_record(chosen.folder).task) != self.task.name:
            raise UsageError(f"{chosen.folder} is a run of {other}; `{self.task.name}` cannot use it")
        return Run(self.task, chosen.folder, self.root, chosen_among=chosen.chosen_among, why=chosen.why)

    @in_words_of_python
    def predict(self, paths: AnyPath | Sequence[AnyPath], *, model: AnyPath | None = None, **options: Any) -> Answers:
        """Answers inputs by a model: `load_run(model).predict(paths)`; see `Run.predict` for the options.

        Args:
            paths: One path, or several: files, folders and zips.
            model: As `run` of `load_run`; None: the default.
            options: Those of `Run.predict`.

        Raises:
            MedtlError: No model can answer, or a path does not exist.
        """
        return self.load_run(model).predict(paths, **options)

    @in_words_of_python
    def explain(self, paths: AnyPath | Sequence[AnyPath], *, model: AnyPath | None = None, **options: Any) -> Answers:
        """Shows which pixels moved answers: `load_run(model).explain(paths)`; see `Run.explain` for the options.

        Args:
            paths: One path, or several: files, folders and zips.
            model: As `run` of `load_run`; None: the default.
            options: Those of `Run.explain`.

        Raises:
            MedtlError: No model can answer, or a path does not exist.
        """
        return self.load_run(model).explain(paths, **options)

    @in_words_of_python
    def ensemble(
        self,
        runs: Sequence[AnyPath],
        *,
        average: Average = "auto",
        data: AnyPath | None = None,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Run:
        """Makes the mean of several finished runs a run, which is calibrated, certified and tested like any other.

        Args:
            runs: At least two runs on one division of the same data: folders, names, or what `train` returned.
            average: What is averaged: the "answers", the "weights", or what validation prefers of both ("auto").
            data: The data of the runs, where they lie elsewhere than at the training.
            out: Folder of the new run; None: a new one under `root`.
            progress: Whether progress is shown; or the function that shows it.

        Raises:
            UsageError: The runs do not belong together.
            RunError: A run is damaged.
            TypeError: An argument has the wrong type.
        """
        from shared.api.run import Run
        from shared.api.training import cost_lines
        from shared.pipeline.ensemble import make_ensemble

        members = [self._folder(one) for one in paths_of("runs", runs)]
        source, folder = optional_path("data", data), optional_path("out", out)
        with showing(progress) as shown:
            made = make_ensemble(
                self.task, members, root=self.root, average=average, data=source, out=folder, progress=shown
            )
            notes = cost_lines(self.task, made, members[0], shown)
        return Run(self.task, made, self.root, notes=notes)

    @in_words_of_python
    def crossval(
        self,
        config: AnyPath | None = None,
        *,
        data: AnyPath | None = None,
        settings: Settings | None = None,
        folds: int | None = None,
        repeats: int = 1,
        leave_out: Literal["domain"] | None = None,
        keep: bool = False,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Result:
        """Cross-validates by folds, or by leaving out one domain (scanner, collection) at a time.

        Args:
            config: As in `train`.
            data: As in `train`.
            settings: As in `train`.
            folds: Number of folds, each of which is the test set once; None: 5.
            repeats: Repeats with another division into folds; with `leave_out`, number of seeds.
            leave_out: "domain": one domain at a time is the test set, in place of folds.
            keep: Whether each model leaves a whole run, with exported network and report; else its numbers and weights.
            out: Folder for `crossval.json` and `crossval.html`; None: neither is written.
            progress: Whether progress is shown; or the function that shows it.

        Raises:
            UsageError: The arguments do not go together.
            MedtlError: A run is refused or fails; the same call goes on where it ended.
        """
        from shared.api.results import Result

        if leave_out not in (None, "domain"):
            raise UsageError(f"leave_out is {leave_out!r}; allowed are None and 'domain'")
        if leave_out is not None and folds is not None:
            raise UsageError(f"--folds {folds} and --leave-out both choose the test set; give one of them")
        from shared.experiments.crossval_report import write_cross_validation, write_left_out
        from shared.io.writes import make_folder

        count, several = number_of("folds", FOLDS if folds is None else folds, 2), number_of("repeats", repeats, 1)
        settled = self._config(config, words_of(settings, data__source=optional_path("data", data)))
        folder = optional_path("out", out)
        make_folder(folder)
        with showing(progress) as shown:
            if leave_out is not None:
                from shared.experiments.leave_domain_out import leave_domains_out, leave_out_lines

                tree = leave_domains_out(self.task, settled, seeds=several, root=self.root, keep=keep, progress=shown)
                lines, write = leave_out_lines(tree), write_left_out
            else:
                from shared.experiments.crossval import cross_validate, cross_validation_lines

                tree = cross_validate(
                    self.task, settled, folds=count, repeats=several, root=self.root, keep=keep, progress=shown
                )
                lines, write = cross_validation_lines(tree), write_cross_validation
        if folder is not None:
            write(self.task, tree, folder)
            lines = [*lines, f"report: {folder / 'crossval.html'}"]
        return Result(tree, (*tree["disclaimers"], *lines))

    @in_words_of_python
    def compare(
        self,
        comparison: AnyPath | Mapping[str, Any] = COMPARISON,
        *,
        data: AnyPath | None = None,
        settings: Settings | None = None,
        cluster: str | None = None,
        keep: bool = False,
        progress: Showing = True,
    ) -> Comparison:
        """Compares backbones, strategies, label budgets and seeds: every combination is trained and tested.

        A run that fails does not stop the others; the same call tries it again, and takes finished ones as they are.

        Args:
            comparison: Name of a comparison that comes with the package ("compare"), path of a YAML file, or its
                content as a mapping with `name`, `backbones` and `strategies`.
            data: The dataset; None: as configured.
            settings: Further keys of the configuration that all runs share.
            cluster: Address of a Ray cluster that trains; None: this machine.
            keep: Whether each combination leaves a whole run, which answers inputs and has a report; else its numbers
                and weights.
            progress: Whether progress is shown; or the function that shows it.

        Raises:
            ConfigError: The comparison or a configuration has faults; the message lists them all.
            UsageError: The data changed since a run was trained.
            TypeError: An argument has the wrong type.
        """
        from shared.experiments.comparison.plan import load_comparison

        words = words_of(settings, data__source=optional_path("data", data))
        given = comparison if isinstance(comparison, Mapping) else path_of("comparison", comparison)
        plan = load_comparison(self.task, given, words)
        from shared.api.studies import Comparison
        from shared.experiments.comparison.report import write_comparison
        from shared.experiments.comparison.run import FOLDER, run_comparison
        from shared.experiments.comparison.text import as_text

        workers = None
        if cluster is not None:
            from shared.processes.ray import RayWorkers

            workers = RayWorkers(cluster)
        folder = self.root / FOLDER / plan.name
        with showing(progress) as shown:
            tree = run_comparison(self.task, plan, root=self.root, progress=shown, workers=workers, keep=keep)
        write_comparison(tree, self.task.title, folder)
        return Comparison(tree, tuple(as_text(tree)), folder / "compare.html")

    @in_words_of_python
    def adapt(
        self,
        config: AnyPath | None = None,
        *,
        data: AnyPath | None = None,
        source: str | AnyPath | None = None,
        target: str | AnyPath | None = None,
        settings: Settings | None = None,
        strategies: str | Sequence[str] | None = None,
        loss_weights: Mapping[str, float | Sequence[float]] | None = None,
        rule: str | None = None,
        label_shift: bool = False,
        unlabelled: bool = False,
        train_on_target: bool | None = None,
        keep: bool = False,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Adaptation:
        """Adapts a model to a target without using its labels, and chooses among settings without them.

        Args:
            config: As in `train`.
            data: As in `train`, where source and target are domains of it; None: as configured.
            source: Labelled images to learn from: a domain of the data, or a dataset; None: as configured.
            target: Images to adapt to: a domain, or a dataset; its labels serve to evaluate only. None: as configured.
            settings: As in `train`.
            strategies: Strategies that learn from a target ("dann"), to be tried; None: that of the configuration, else
                "dann".
            loss_weights: Weights of the adaptation loss to try, by strategy: `{"dann": [0.1, 0.3]}`.
            rule: Rule that chooses among the settings; None: the cheapest of two.
            label_shift: Whether to estimate how often each class occurs in the target, and to use it.
            unlabelled: Whether the target has no labels: all its images are used, and it is not evaluated on.
            train_on_target: Whether to train on the target's labels too, as the upper bound; None: where it has some.
            keep: Whether each run that was tried is left whole, answers inputs and has a report; else its numbers and
                weights. The chosen one is always whole.
            out: Folder of the results; None: one under `root`/adapt.
            progress: Whether progress is shown; or the function that shows it.

        Returns:
            What was found; its `kept` is the chosen run.

        Raises:
            UsageError: The arguments do not go together.
            ConfigError: A rule, strategy or option is unknown or does not fit.
            MedtlError: A run cannot be trained.
        """
        from shared.api.adapting import (
            FOLDER,
            between,
            check_choices,
            configured_strategies,
            folder_name,
            weights_in,
        )
        from shared.api.studies import names_in

        folder = optional_path("out", out)
        chosen = names_in(strategies, "strategies") if strategies else ()
        check_choices(chosen, rule)
        weights = weights_in(loss_weights)
        names = None if source is None else str(source), None if target is None else str(target)
        words = words_of(settings, data__source=optional_path("data", data))
        settled = between(self._config(config, words), *names, unlabelled=unlabelled)
        if train_on_target is not None and settled.data.target_is_unlabelled:
            flag = "--train-on-target" if train_on_target else "--no-train-on-target"
            raise UsageError(f"{flag} cannot act where the target is unlabelled; leave it out")
        from shared.api.run import Run
        from shared.api.studies import Adaptation
        from shared.experiments.adaptation import SELECTED, Plan, adapt
        from shared.experiments.adaptation_report import write_adaptation

        plan = Plan(
            strategies=chosen or configured_strategies(settled),
            loss_weights=weights,
            rule=rule or Plan.rule,
            label_shift=label_shift,
            upper_bound=train_on_target is not False,
        )
        place = folder or self.root / FOLDER / folder_name(settled)
        with showing(progress) as shown:
            tree = adapt(self.task, settled, plan, place, root=self.root, keep=keep, progress=shown)
        lines = write_adaptation(self.task, tree, place)
        kept = Run(self.task, place / SELECTED, self.root)
        return Adaptation(tree, tuple(lines), place / "adapt.html", kept=kept)

    @in_words_of_python
    def advise(
        self,
        data: AnyPath,
        *,
        settings: Settings | None = None,
        weights: AnyPath | Sequence[AnyPath] = (),
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Advice:
        """Measures which settings suit a dataset; its test set is not looked at.

        Args:
            data: The dataset: a folder, zip or manifest.
            settings: Settings to keep: keys of `data`, `seed`, `device` and the input size.
            weights: Pretrained weights to try too: files, folders of files, or finished runs.
            out: Folder for `advice.html`, `advice.json` and `advised.yaml`, which `train` takes; None: none is written.
            progress: Whether progress is shown; or the function that shows it.

        Raises:
            UsageError: The data do not exist, or no weights are at hand.
            ConfigError: A setting is one that advice chooses.
            DataError: The data cannot be read.
        """
        from shared.api.studies import Advice
        from shared.experiments.advice.advise import advise
        from shared.experiments.advice.config import advised_settings
        from shared.experiments.advice.text import as_text
        from shared.io.archives import require_paths
        from shared.io.writes import make_folder

        source, folder = path_of("data", data), optional_path("out", out)
        files = paths_of("weights", weights) if isinstance(weights, str) or weights else []
        require_paths([source], "a folder, zip or manifest")
        make_folder(folder)
        settled = advised_settings(self.task, source, words_of(settings))
        with showing(progress) as shown:
            tree, config = advise(self.task, settled, weights=files, root=self.root, progress=shown)
        if folder is not None:
            from shared.experiments.advice.report import write_advice

            write_advice(self.task, tree, config, folder)
        return Advice(tree, (*self.task.disclaimers, *as_text(tree, config)), config=config)

    @in_words_of_python
    def audit(
        self,
        data: AnyPath,
        *,
        settings: Settings | None = None,
        out: AnyPath | None = None,
        search_further: Callable[[Dataset, Path | None, Progress], Iterable[str]] | None = None,
        progress: Showing = True,
    ) -> Audit:
        """Finds copies, contradicting labels and bad files, and says whether training would take the data.

        Args:
            data: The dataset: a folder, zip or manifest.
            settings: Settings of the training that is meant, such as `{"data.leaks": "drop"}`.
            out: Folder for `audit.html`, `audit.json`, `pairs.csv` and `pairs.png`; None: nothing is written.
            search_further: Searches more: takes the dataset, the folder and a progress function; gives lines.
            progress: Whether progress is shown; or the function that shows it.

        Raises:
            UsageError: The data do not exist, or a setting does not matter here.
            TypeError: An argument has the wrong type.
        """
        from shared.api.auditing import audit

        source, folder = path_of("data", data), optional_path("out", out)
        with showing(progress) as shown:
            return audit(self.task, source, words_of(settings), folder, self.root, search_further, shown)

    @in_words_of_python
    def zero_shot(
        self,
        knowledge: SideInformation,
        config: AnyPath | None = None,
        *,
        data: AnyPath | None = None,
        settings: Settings | None = None,
        unseen: str | Sequence[str] | None = None,
        draw: int | None = None,
        seeds: int | None = None,
        model: AnyPath | None = None,
        methods: str = "all",
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Result:
        """Recognises classes without training images, from what is known of the classes.

        Args:
            knowledge: What is known of the classes: their attributes.
            config: As in `train`.
            data: As in `train`.
            settings: As in `train`.
            unseen: Names of the classes of which no image is used in training; or give `draw`.
            draw: Number of classes to draw at random in place of `unseen`.
            seeds: Number of trials; None: 5 draws, or 1 division of the data.
            model: A finished run that gives the features; None: the configured backbone.
            methods: Names of methods, joined by commas, or "all".
            out: Folder for `zero_shot.json`, `.html` and `.png`; None: nothing is written.
            progress: Whether progress is shown; or the function that shows it.

        Raises:
            UsageError: The arguments do not go together.
            MedtlError: The data cannot be read, or a class or method is not known.
        """
        from shared.api.studies import names_in
        from shared.api.zero_shot import Question, study_unseen

        if (unseen is None) == (draw is None):
            raise UsageError("give --unseen with names, or --draw with a number of classes; one of them")
        settled = self._config(config, words_of(settings, data__source=optional_path("data", data)))
        names = () if unseen is None else tuple(self.task.canonical(name) for name in names_in(unseen, "unseen"))
        run = None if model is None else self._folder(model)
        drawn = 0 if draw is None else number_of("draw", draw, 1)
        trials = None if seeds is None else number_of("seeds", seeds, 1)
        question = Question(names, drawn, trials, run, methods, optional_path("out", out))
        with showing(progress) as shown:
            return study_unseen(self.task, settled, knowledge, question, self.root, shown)

    @in_words_of_python
    def index(self) -> Result:
        """Writes a page that links all reports under `root`, `index-NAME.html`, and says where it lies.

        Raises:
            UsageError: There is no folder of runs.
        """
        from shared.api.results import Result
        from shared.reporting.index import write_index

        if not self.root.is_dir():
            raise UsageError(f"there is no folder {self.root} here; name a RUN, or train a model first")
        page, count = write_index(self.task, self.root)
        said = f"{count} {'report' if count == 1 else 'reports'}"
        return Result({"page": str(page), "reports": count}, (said, f"index: {page}"))

    def models(self) -> Models:
        """Lists the models that can answer: those of the package, then the finished runs, the latest first.

        Returns:
            The models; `default` is the chosen one, `lines` say what each is fit for.
        """
        from shared.api.listing import list_models

        return list_models(self.task, self.root)

    @in_words_of_python
    def backbones(
        self,
        *,
        everything: bool = False,
        timed: bool = False,
        each: Callable[[Backbone], object] | None = None,
    ) -> list[Backbone]:
        """Lists the networks that can be trained, and which weights of them are on this machine.

        Args:
            everything: Whether the size is counted of networks without weights here, too, which takes seconds.
            timed: Whether the time for one image is measured of each network that has a size.
            each: Called with each network as soon as it is known.
        """
        from shared.api.listing import list_backbones

        found = []
        for one in list_backbones(self.task, everything=everything, timed=timed):
            found.append(one)
            if each is not None:
                each(one)
        return found

    @in_words_of_python
    def serve(
        self,
        pages: Pages,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        model: AnyPath | None = None,
        keep_minutes: float = 60.0,
        tls_certificate: AnyPath | None = None,
        tls_key: AnyPath | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        """Serves web pages to classify and compare, until the process is stopped.

        Args:
            pages: Builds the pages from a `shared.api.serving.Serving`.
            host: Address to listen on; others than 127.0.0.1 need a token.
            port: TCP port; 0 takes any that is free.
            model: As `run` of `load_run`; a run that nobody chose does not answer.
            keep_minutes: Minutes after which an upload is deleted, 1 to 10080.
            tls_certificate: PEM file with the certificate of this server, which then speaks HTTPS.
            tls_key: PEM file with its private key.
            say: Called with each line for the person who started it.

        Raises:
            UsageError: A package is missing, or the run, the address or the port cannot be used.
        """
        from shared.api.serving import serve
        from shared.extras import check_extra

        check_extra("`serve`", "serve")
        from shared.io.tls import TlsFiles

        certificate, key = optional_path("tls_certificate", tls_certificate), optional_path("tls_key", tls_key)
        tls = TlsFiles.checked(certificate, key, None)
        serve(self.load_run(model, explicit=True), pages, host, port, keep_minutes, say, tls)

    def _config(self, named: AnyPath | None, words: Sequence[str]) -> Config:
        """The configuration of that name or path, with the words applied; its faults are told before data are read."""
        from shared.config.named import list_configs
        from shared.config.read import load_config

        path = optional_path("config", named)
        is_folder = path is not None and path.is_dir() and str(path) not in list_configs(self.task.name)
        if path is not None and (is_folder or path.suffix.lower() in (".zip", ".csv")):
            raise UsageError(f"{path} is no configuration; give it as `data`")
        return load_config(path, words, self.task.name)

    def _folder(self, run: AnyPath) -> Path:
        """The folder of a run that is given by itself, by its folder or by name."""
        from shared.runs.named import find_named

        return find_named(self.root, path_of("run", run), self.task.name)
