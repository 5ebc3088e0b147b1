"""Trains a configuration without each source in turn, and tabulates what it does there: the worst source first.

    python -m benchmarks.leave_source_out --config configs/medtl/robust.yaml --out FOLDER --seeds 3 \
        --sources navoneel=navoneel.zip cheng=cheng_masks.zip lgg_du=hospitals/lgg_du ms=hospitals/ms

A source is a collection of the run (`data.collections`) and the held-out domain of the test; its patients and copies of
its pictures are left out of training. Runs that are finished in FOLDER are not trained again, interrupted ones go on.
Settings that are chosen by looking at this table are chosen on these sources: judge them on others.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.source_table import SourceTest, read_source_test, table_lines
from medtl.task import TASK
from shared.config.read import load_config
from shared.config.schema import Config
from shared.data.loading import joined, load_told
from shared.errors import MedtlError
from shared.io.atomic import write_text
from shared.runs.folder import is_finished
from shared.samples import NOT_STATED

COMMAND = (sys.executable, "-c", "from medtl.cli import main; main()", "train")


@dataclass(frozen=True)
class Study:
    """The runs of the study.

    Attributes:
        out: Folder of the run folders and the table.
        config: The YAML file of the configuration.
        sources: Folder, zip or table of each source, by name.
        overrides: Settings in place of those of the file, as `KEY=VALUE`.
        seeds: Number of seeds, counted up from that of the configuration.
    """

    out: Path
    config: Path
    sources: Mapping[str, Path]
    overrides: Sequence[str]
    seeds: int

    def words(self, source: str, number: int) -> list[str]:
        """Lists the settings of the run without `source` under the seed of that number, from 0."""
        collections = [f"data.collections.{name}={path}" for name, path in self.sources.items()]
        seed = load_config(self.config, self.overrides).seed + number
        return [*collections, *self.overrides, f"data.split.held_out_domain={source}", f"seed={seed}"]

    def settings(self, source: str, number: int) -> Config:
        """Reads the configuration of a run; the arguments are those of `words`.

        Raises:
            ConfigError: It has faults.
        """
        return load_config(self.config, self.words(source, number))

    def folder(self, source: str, number: int) -> Path:
        """Returns the run folder; the arguments are those of `words`."""
        return self.out / f"{source}-{number}"


def main() -> int:
    """Trains what is not finished and prints the table; 1 where a run failed, 2 where the words are wrong."""
    given, left_out = _arguments()
    try:
        for source in left_out:
            given.study.settings(source, 0)
        given.study.out.mkdir(parents=True, exist_ok=True)
        failed = train_all(given.study, left_out, given.jobs)
        tests = {source: found for source in left_out if (found := read_tests(given.study, source))}
    except MedtlError as error:
        print(error, file=sys.stderr)
        return 2
    lines = table_lines(tests)
    write_text(given.study.out / "table.md", "".join(f"{line}\n" for line in lines))
    print("\n".join(lines))
    for run, reason in failed.items():
        print(f"{run} failed: {reason}", file=sys.stderr)
    return int(bool(failed))


def train_all(study: Study, left_out: Sequence[str], jobs: int) -> dict[str, str]:
    """Trains every run that is not finished, each in a process of its own.

    Args:
        study: The runs.
        left_out: The sources that are left out in turn.
        jobs: Number of runs at the same time, 1 or more.

    Returns:
        For each run that failed, the last line that it wrote.
    """
    # seed by seed, so that the first of each source can be looked at early
    runs = [(source, number) for number in range(study.seeds) for source in left_out]
    waiting = [run for run in runs if not is_finished(study.folder(*run))]
    with ThreadPoolExecutor(jobs) as pool:
        reasons = pool.map(lambda run: _train(study, *run), waiting)
        named = zip(waiting, reasons, strict=True)
        return {study.folder(*run).name: reason for run, reason in named if reason is not None}


def read_tests(study: Study, source: str) -> list[SourceTest]:
    """Reads what the finished runs without a source say of it, one for each seed.

    Args:
        study: The runs.
        source: The source that was left out.

    Raises:
        MedtlError: A run or the source cannot be read.
    """
    finished = [study.folder(source, number) for number in range(study.seeds)]
    finished = [folder for folder in finished if is_finished(folder)]
    if not finished:
        return []
    settings = study.settings(source, 0)
    options = {**TASK.default_options, **settings.data.options}
    # other collections may be those that the meanings of the configuration speak of
    datasets = load_told(TASK, study.sources, settings.data.meanings, options)
    samples = joined({source: datasets[source]}).samples
    contrasts = {sample.id: str(sample.acquisition.get("contrast", NOT_STATED)) for sample in samples}
    return [read_source_test(folder, contrasts) for folder in finished]


@dataclass(frozen=True)
class _Given:
    study: Study
    jobs: int


def _train(study: Study, source: str, number: int) -> str | None:
    """Trains one run; returns the last line that it wrote where it failed."""
    words = [*COMMAND, str(study.config), *study.words(source, number), "--out", str(study.folder(source, number))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    print(f"{source} left out, seed {number}: exit {done.returncode}", file=sys.stderr, flush=True)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]


def _arguments() -> tuple[_Given, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leave_source_out", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the configuration")
    parser.add_argument("--sources", nargs="+", required=True, metavar="NAME=DATA", help="folder, zip or table of each")
    parser.add_argument("--left-out", nargs="+", metavar="NAME", help="sources to leave out in turn (default: each)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of table.md")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each, counted up from the configuration's")
    parser.add_argument("--override", nargs="+", default=[], metavar="KEY=VALUE", help="settings of every run")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    words = parser.parse_args()
    pairs = [word.partition("=") for word in words.sources]
    sources = {name: Path(path) for name, _, path in pairs}
    if faulty := [name for name, sign, path in pairs if not (name and sign and path)]:
        parser.error(f"--sources {faulty[0]!r}: allowed is NAME=DATA")
    if len(sources) < len(pairs) or len(sources) < 2:
        parser.error(f"--sources has {len(pairs)} entries; give two or more, each with a name of its own")
    left_out = words.left_out or list(sources)
    if unknown := [name for name in left_out if name not in sources]:
        parser.error(f"--left-out {unknown[0]!r} is none of --sources; there are {', '.join(sources)}")
    if words.seeds < 1 or words.jobs < 1:
        parser.error(f"--seeds {words.seeds} --jobs {words.jobs}: both are 1 or more")
    study = Study(words.out, words.config, sources, words.override, words.seeds)
    return _Given(study, words.jobs), left_out


if __name__ == "__main__":
    sys.exit(main())
