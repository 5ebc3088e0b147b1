"""Damaged and hostile files give items or one line each: never an exception, a hang, a full memory or a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.medtl.bombs import bombs
from tests.medtl.mutation_seeds import dicom_seeds, directory_seed, picture_seeds, slices, written, zipped
from tests.medtl.mutations import FAMILIES
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
    assert outcome.refused == 1


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
        print(f"\n{told}")


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
