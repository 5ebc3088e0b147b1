"""Foreign volumes, TIFFs, YAML, tables and model records raise no error but the project's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.errors import MedtlError
from shared.runs.record import ModelRecord
from tests.fuzz.readers import Reader, as_json, readers

QUICK, MANY, SECONDS = 60, 3000, 600
NAMES = ("nifti", "tiff", "yaml", "table", "record")
VALUES = [None, [], {}, -1, 1e308, float("nan"), "abc", True, 0, 10**30, [[]], {"a": 1}]
RELEASED = Path(__file__).parents[2] / "medtl" / "models" / "brain-mri" / "model.json"
Draw = Callable[[st.SearchStrategy], object]


@pytest.fixture(scope="module")
def known(model_record: ModelRecord) -> dict[str, Reader]:
    return readers([as_json(model_record.to_json()), *([RELEASED.read_bytes()] if RELEASED.is_file() else [])])


@st.composite
def mutants(draw: Draw, reader: Reader) -> bytes:
    """A sound file with one to three changes, or bytes of a model record with one value changed."""
    data = draw(st.sampled_from(reader.seeds))
    for _ in range(draw(st.integers(1, 3))):
        word = draw(st.one_of(st.sampled_from(reader.words), st.binary(max_size=8)))
        # most ways to break a reader lie at the beginning
        at = draw(st.one_of(st.integers(0, min(600, len(data))), st.integers(0, len(data))))
        kind = draw(st.sampled_from(["over", "over", "insert", "delete", "cut", "repeat", "value"]))
        if kind == "value" and data.startswith(b"{"):
            data = _value_changed(draw, data)
        data = {
            "over": data[:at] + word + data[at + len(word) :],
            "insert": data[:at] + word + data[at:],
            "delete": data[:at] + data[at + 4 :],
            "cut": data[: max(at, 1)],
            "repeat": data[:at] + data[at : at + 40] * 3 + data[at:],
        }.get(kind, data)
    return data


def _value_changed(draw: Draw, data: bytes) -> bytes:
    """Another value in the place of one of a JSON object, at any depth."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = [(node, key) for node in _nodes(tree) for key in (node if isinstance(node, dict) else range(len(node)))]
    if not places:
        return data
    node, key = draw(st.sampled_from(places))
    if draw(st.integers(0, 4)) == 0:
        del node[key]
    else:
        node[key] = draw(st.sampled_from(VALUES))
    return json.dumps(tree).encode()


def _nodes(tree: object) -> list:
    if not isinstance(tree, (dict, list)):
        return []
    return [tree, *(node for one in (tree.values() if isinstance(tree, dict) else tree) for node in _nodes(one))]


def run_mutants(reader: Reader, count: int, *, derandomized: bool) -> None:
    failed: dict[str, bytes] = {}

    @settings(
        max_examples=count,
        derandomize=derandomized,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutants(reader))
    def each(data: bytes) -> None:
        try:
            reader.read(data)
        except MedtlError as error:
            if len(str(error)) > 1000:
                failed.setdefault(f"says {len(str(error))} characters", data)
        except Exception as error:
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
            failed.setdefault(f"{type(error).__name__} at {where}: {str(error)[:200]}", data)

    each()
    assert not failed, "\n".join(f"{fault}: {data[:400]!r}" for fault, data in failed.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_is_read(name: str, known: dict[str, Reader]) -> None:
    read = 0
    for seed in known[name].seeds:
        try:
            known[name].read(seed)
            read += 1
        except MedtlError:
            continue
    assert read or name == "yaml"


@pytest.mark.parametrize("name", NAMES)
def test_some_mutants_raise_no_foreign_error(name: str, known: dict[str, Reader]) -> None:
    run_mutants(known[name], QUICK, derandomized=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_mutants_raise_no_foreign_error(name: str, known: dict[str, Reader]) -> None:
    run_mutants(known[name], MANY, derandomized=False)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_a_search_guided_by_coverage_finds_no_foreign_error(
    name: str, known: dict[str, Reader], tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(known[name].seeds):
        (corpus / str(number)).write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.search", name, str(corpus), str(SECONDS), str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-4000:]
