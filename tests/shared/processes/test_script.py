"""A script of plain lines starts processes, which do not run it again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LINES = """
import operator
from shared.processes.worker import Worker
print("begun", flush=True)
class Own:
    pass
worker = Worker(operator.is_not, untrusted=False)
print(worker.call("__call__", GIVEN), flush=True)
worker.close()
"""


def _run(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    return subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def _root_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))


def test_a_script_of_plain_lines_runs_once(tmp_path: Path) -> None:
    done = _run(tmp_path, LINES.replace("GIVEN", "1"))
    assert (done.stdout, done.stderr, done.returncode) == ("begun\nTrue\n", "", 0)


def test_what_a_script_defines_itself_needs_a_line_and_is_told_so(tmp_path: Path) -> None:
    done = _run(tmp_path, LINES.replace("GIVEN", "Own()"))
    assert done.returncode == 1
    assert "put what the script does below a line `if __name__ == '__main__':`" in done.stderr
    guarded = LINES.replace("GIVEN", "Own()").replace("print(worker", "if __name__ == '__main__': print(worker")
    assert _run(tmp_path, guarded).stdout.endswith("True\n")
