"""Damaged and hostile files give items or one line each: never an exception, a hang, a full memory or a name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.medtl.bombs import bombs
from tests.medtl.mutation_seeds import (
    PLANTED,
    dicom_seeds,
    directory_seed,
    marks_in,
    picture_seeds,
    slices,
    written,
    zipped,
)
from tests.medtl.mutations import FAMILIES
from tests.medtl.planted import Training
from tests.medtl.watched import Outcome, Watched

QUICK = {"dicom": 180, "directory": 30, "picture": 60, "archive": 30}
MANY = {"dicom": 6500, "directory": 800, "picture": 1800, "archive": 1200}


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with Watched() as reader:
        yield reader


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the DICOMDIR lists, in which the mutants are written."""
    folder = tmp_path_factory.mktemp("mutants")
    for number, dataset in enumerate(slices()):
        (folder / f"IM{number}").write_bytes(written(dataset))
    return folder


def test_every_seed_is_judged(watched: Watched, disc: Path) -> None:
    seeds = dicom_seeds() | picture_seeds() | {"DICOMDIR": directory_seed()}
    for name, data in (seeds | {"a.zip": zipped({"a.dcm": dicom_seeds()["plain"]})}).items():
        (disc / name).write_bytes(data)
        outcome = watched.read(disc / name)
        assert (outcome.fault, outcome.judged, outcome.refused) == ("", 1, 0), name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make"), [pytest.param(*bomb, id=bomb[0]) for bomb in bombs()])
def test_a_small_file_never_fills_the_memory(name: str, make: Callable[[], bytes], disc: Path) -> None:
    (disc / name).write_bytes(make())
    with Watched() as reader:
        outcome = reader.read(disc / name)
    (disc / name).unlink()
    assert outcome.fault == ""
    assert outcome.judged + outcome.refused == 1


@pytest.mark.parametrize("family", QUICK)
def test_some_mutants_give_items_or_one_line(family: str, watched: Watched, disc: Path, keep: Path) -> None:
    run_mutants(family, QUICK[family], watched, disc, keep)


@pytest.mark.slow
@pytest.mark.parametrize("family", MANY)
def test_mutants_give_items_or_one_line(
    family: str, watched: Watched, disc: Path, keep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run_mutants(family, MANY[family], watched, disc, keep, derandomized=False)
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")


@pytest.mark.parametrize(
    "counts", [{"dicom": 80, "picture": 40}, pytest.param({"dicom": 500, "archive": 200}, marks=pytest.mark.slow)]
)
def test_mutants_are_answered_or_refused_by_a_run(
    counts: dict[str, int], planted_training: Training, disc: Path, keep: Path
) -> None:
    with Watched(planted_training.run) as predicting:
        for family, count in counts.items():
            run_mutants(family, count, predicting, disc, keep)


def nastiest(folder: Path) -> list[Path]:
    """Files that aim at one weakness each, under names that do so too."""
    plain, bare = dicom_seeds()["plain"], dicom_seeds()["bare"]
    opening = b"\x08\0\x40\x11\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    place = plain.index(b"\x10\0\x10\0PN")
    files = {
        "empty": b"",
        "zeros.dcm": bytes(5000),
        "marker": bytes(128) + b"DICM",
        "deep.dcm": bare[: (at := bare.index(b"\x10\0\x10\0"))] + opening * 20_000 + bare[at:],
        "name_as_size.dcm": plain[:place] + b"\x28\0\x10\0PN\x0e\0Planted^Person" + plain[place:],
        "cut.dcm": plain[:-5000],
        "cut_header.dcm": plain[:place],
        "twice.dcm": plain + plain,
        "picture_in.dcm": picture_seeds()["grey.png"] + plain,
        "text.png": PLANTED["PatientName"].encode(),
        "cut.png": picture_seeds()["grey.png"][:200],
        "cut.nii.gz": picture_seeds()["volume.nii.gz"][:300],
        "\x1b[31mred\n.dcm": plain[:400],
        "archive.zip": zipped({"../out.dcm": plain, "a\nb.dcm": b"", "\x1b[2J.dcm": plain[:900], "in.zip": zipped({})}),
        "cut.zip": zipped({"a.dcm": plain})[:-30],
        "nothing.zip": zipped({}),
        "DICOMDIR": directory_seed()[:-90],
    }
    files |= {f"swapped_{name}": data.replace(b".1.2.4", b".1.2.5") for name, data in dicom_seeds().items()}
    paths = []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        paths.append(folder / name)
    not_utf8 = os.fsencode(folder) + b"/\xff.dcm"
    Path(os.fsdecode(not_utf8)).write_bytes(plain)
    os.mkfifo(folder / "pipe")
    return [*paths, Path(os.fsdecode(not_utf8)), folder / "pipe", folder]


def predict(paths: list[Path], run: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    program = "from medtl.cli import main; main()"
    command = [sys.executable, "-c", program, "predict", *map(str, paths), "--model", str(run), *words]
    return subprocess.run(command, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_the_command_outlives_the_nastiest_files(
    words: tuple[str, ...], planted_training: Training, tmp_path: Path
) -> None:
    paths = nastiest(tmp_path)
    result = predict(paths, planted_training.run, *words)
    assert result.returncode == 3, result.stderr
    assert all(line.startswith(b"judging, files") for line in result.stderr.splitlines())
    assert not marks_in(result.stdout)
    lines = result.stdout.decode().splitlines()
    if words:
        assert len([json.loads(line) for line in lines]) >= len(paths)
    else:
        assert all(line.isprintable() for line in lines)


@pytest.mark.slow
def test_each_of_the_nastiest_files_ends_the_command_in_order(planted_training: Training, tmp_path: Path) -> None:
    for path in nastiest(tmp_path):
        result = predict([path], planted_training.run)
        assert result.returncode in (0, 3), path
        assert b"Traceback" not in result.stdout + result.stderr, path


@pytest.fixture
def keep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where files go that the reader fails on."""
    return tmp_path_factory.mktemp("failed")


def run_mutants(family: str, count: int, watched: Watched, disc: Path, keep: Path, *, derandomized: bool = True) -> str:
    """Reads `count` mutants; files that fail are kept, all of them told at the end."""
    outcomes: list[Outcome] = []
    failed: list[str] = []

    @settings(
        max_examples=count,
        derandomize=derandomized,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(FAMILIES[family])
    def each(mutant: tuple[str, bytes]) -> None:
        name, data = mutant
        path = disc / name
        path.write_bytes(data)
        outcome = watched.read(path)
        outcomes.append(outcome)
        if outcome.fault:
            kept = keep / f"{len(failed)}_{name}"
            kept.write_bytes(data)
            failed.append(f"{kept}: {outcome.fault}")

    each()
    assert not failed, f"{len(failed)} of {len(outcomes)} mutants fail:\n" + "\n".join(failed[:20])
    judged, refused = (sum(bool(getattr(one, kind)) for one in outcomes) for kind in ("judged", "refused"))
    # neither all harmless nor all beyond reading
    assert min(judged, refused) > len(outcomes) // 50
    return (
        f"{len(outcomes)} mutants of the family {family}: {judged} judged, {refused} refused, at most "
        f"{max(one.seconds for one in outcomes):.2f} s and {max(one.growth for one in outcomes) >> 20} MiB each"
    )
