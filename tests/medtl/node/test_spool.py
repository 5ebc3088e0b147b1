from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medtl.node.spool import Batch, Spool
from shared.errors import UsageError

SERIES, OTHER = "aa", "bb"


def opened(root: Path) -> Spool:
    return Spool(root / "spool")


def reopened(spool: Spool) -> Spool:
    spool.close()
    return Spool(spool.root)


def taken(spool: Spool) -> Batch:
    batch = spool.take(0)
    assert batch is not None
    return batch


def judged(spool: Spool, batch: Batch, name: str = "001.dcm") -> None:
    (batch.out / name).write_bytes(b"result")
    spool.commit(batch, ["own"])


def sent(spool: Spool) -> int:
    """Forwards what waits; how many revisions that were."""
    waiting = spool.unsent()
    for revision in waiting:
        assert spool.results(revision)
        spool.mark_forwarded(revision)
    return len(waiting)


def held(spool: Spool, series: str = SERIES) -> list[str]:
    folder = spool.root / "series" / series
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_an_instance_is_on_disk_when_store_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, steps = opened(tmp_path), list[str]()
    place = {"file": lambda fd: f"fsync {Path(f'/proc/self/fd/{fd}').readlink().relative_to(spool.root)}"}
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(place["file"](fd)), real(fd)))
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda self, to: (steps.append("rename"), rename(self, to)))
    assert spool.store(SERIES, "1", b"content")
    assert steps[0].startswith("fsync partial/")
    assert steps[1:] == ["fsync series", "rename", f"fsync series/{SERIES}"]
    assert (spool.root / "series" / SERIES / "1").read_bytes() == b"content"


def test_an_instance_sent_twice_is_stored_once_and_the_first_stays(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    assert spool.store(SERIES, "1", b"first")
    assert not spool.store(SERIES, "1", b"second")
    assert held(spool) == ["1"]
    assert (spool.root / "series" / SERIES / "1").read_bytes() == b"first"
    assert not list((spool.root / "partial").iterdir())


def test_nothing_is_readable_by_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        spool = opened(tmp_path)
        spool.store(SERIES, "1", b"")
        judged(spool, taken(spool))
        spool.store(OTHER, "1", b"")
        spool.fail(taken(spool), "reason")
        sent(spool)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in spool.root.rglob("*")}
    modes.pop("001.dcm")  # this test wrote it, not the spool
    assert {mode for mode in modes.values() if mode & 0o077} == set()
    assert spool.root.stat().st_mode & 0o777 == 0o700


def test_names_tell_nothing_and_stay_the_same(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    name = spool.name("1.2.840.4711", "1.2.3")
    assert "4711" not in name
    assert name != spool.name("1.2.840.4711", "1.2.4")
    assert reopened(spool).name("1.2.840.4711", "1.2.3") == name
    assert Spool(tmp_path / "another").name("1.2.840.4711", "1.2.3") != name


def test_a_series_is_taken_when_it_was_quiet_and_only_then(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"")
    time.sleep(0.2)
    spool.store(SERIES, "2", b"")
    assert spool.take(0.2) is None
    time.sleep(0.2)
    batch = spool.take(0.2)
    assert batch is not None
    assert batch.instances == {"1", "2"}
    assert spool.take(0) is None


def test_what_arrives_during_judgement_is_a_revision_of_its_own(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"")
    batch = taken(spool)
    spool.store(SERIES, "2", b"")
    assert [path.name for path in batch.folder.iterdir()] == ["1.dcm"]
    judged(spool, batch)
    second = taken(spool)
    assert second.revision.number == 2
    assert second.instances == {"1", "2"}
    judged(spool, second)
    assert sent(spool) == 2


def test_a_plain_resend_gives_no_second_result(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for _ in range(2):
        spool.store(SERIES, "1", b"")
        if (batch := spool.take(0)) is not None:
            judged(spool, batch)
    assert sent(spool) == 1
    spool = reopened(spool)
    assert spool.take(0) is None
    assert sent(spool) == 0


def test_forwarded_series_are_deleted_and_a_resend_of_them_too(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"")
    judged(spool, taken(spool))
    assert spool.clean(0) == 0
    assert held(spool) == ["1"]
    sent(spool)
    assert spool.clean(60) == 0
    assert spool.clean(0) == 1
    assert held(spool) == []
    assert not list(spool.root.rglob("*.dcm"))
    for one in (spool, reopened(spool)):
        one.store(SERIES, "1", b"")
        assert one.take(0) is None
        assert one.clean(0) == 1
        assert held(one) == []
    assert not list(spool.root.rglob("*.dcm"))


def test_a_late_instance_of_a_deleted_series_waits_for_the_others(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for name in "12":
        spool.store(SERIES, name, b"")
    judged(spool, taken(spool))
    sent(spool)
    spool.clean(0)
    spool.store(SERIES, "3", b"")
    assert spool.take(0) is None
    assert "send the whole series again" in (spool.root / "failures" / SERIES).read_text()
    assert spool.counts() == (0, 0, 1)
    spool = reopened(spool)
    spool.store(SERIES, "1", b"")
    assert spool.take(0) is None
    spool.store(SERIES, "2", b"")
    batch = taken(spool)
    assert batch.revision.number == 2
    assert batch.instances == {"1", "2", "3"}
    judged(spool, batch)
    assert spool.counts() == (0, 1, 0)


def test_cleaning_leaves_a_series_to_which_something_new_came(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"")
    judged(spool, taken(spool))
    sent(spool)
    spool.store(SERIES, "2", b"")
    spool.clean(0)
    assert taken(spool).instances == {"1", "2"}


def test_failed_attempts_are_counted_until_an_instance_is_added(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"")
    for attempt in (1, 2):
        batch = taken(spool)
        assert not spool.given_up(batch, 2)
        assert spool.fail(batch, "is damaged") == attempt
        spool.put_back(batch)
    spool = reopened(spool)
    batch = taken(spool)
    assert spool.given_up(batch, 2)
    spool.give_up(batch)
    spool.store(SERIES, "2", b"")
    batch = taken(spool)
    assert not spool.given_up(batch, 2)
    judged(spool, batch)
    assert spool.counts()[2] == 0


def test_a_series_that_is_put_back_waits(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"")
    spool.put_back(taken(spool), delay_s=0.2)
    assert spool.take(0) is None
    time.sleep(0.2)
    assert taken(spool).instances == {"1"}


def test_results_that_come_back_are_known_also_when_they_were_deleted(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"")
    judged(spool, taken(spool))
    sent(spool)
    spool.clean(0)
    assert spool.is_own("own")
    assert reopened(spool).is_own("own")
    assert not spool.is_own("1")


def test_one_process_works_in_a_spool(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with pytest.raises(UsageError, match="in use"):
        Spool(spool.root)
    reopened(spool)


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="no spool"):
        Spool(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    public = tmp_path / "public"
    public.mkdir(mode=0o755)
    with pytest.raises(UsageError, match="chmod 700"):
        Spool(public)


KILLED_AT_EVERY_STEP = '''
import os, shutil, signal, sys
from pathlib import Path
from medtl.node.spool import Spool

ROOT = Path(sys.argv[1])
RECEIVER = ROOT / "receiver"  # a line for each delivery; flushed at once, as a target that took it
WORK = "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "open"

def whole_life(steps=None):
    """Receives, judges, forwards and clears one series; killed before its step number `steps`."""
    left = [steps]
    def audit(event, arguments):
        if event not in WORK or str(ROOT) not in str(arguments[0]) and event not in ("os.remove", "os.rmdir"):
            return
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] = None if left[0] is None else left[0] - 1
    sys.addaudithook(audit)
    os.fsync = lambda handle: None  # what a process wrote outlives it without; this is about names, and quick
    spool = Spool(ROOT / "spool")
    for name in "12":
        spool.store("aa", name, b"pixels")
    while (batch := spool.take(0)) is not None:
        (batch.out / "001.dcm").write_bytes(" ".join(sorted(batch.instances)).encode())
        spool.commit(batch, ["own"])
    for revision in spool.unsent():
        (result,) = spool.results(revision)
        with RECEIVER.open("a") as stream:
            stream.write(result.read_text() + "\\n")
        spool.mark_forwarded(revision)
    spool.clean(0)
    return spool

def forked(*arguments):
    if (child := os.fork()) == 0:
        whole_life(*arguments)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

step = 0
while True:
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir()
    code = forked(step)
    marked = any(ROOT.glob("spool/results/*/*/forwarded"))
    before = len(RECEIVER.read_text().splitlines()) if RECEIVER.exists() else 0
    assert forked() == 0, step
    deliveries = RECEIVER.read_text().splitlines()
    assert set(deliveries) == {"1 2"}, (step, deliveries)
    assert len(deliveries) <= 2, (step, deliveries)
    assert not marked or len(deliveries) == before, step
    assert [path.name for path in ROOT.glob("spool/results/*/*")] == ["1"], step
    assert not list(ROOT.glob("spool/series/*")), step
    assert not list(ROOT.glob("spool/partial/*")), step
    if code == 0:
        break
    assert code == -signal.SIGKILL, (step, code)
    step += 1
print(step)
'''


def test_a_kill_before_any_step_leaves_exactly_one_result(tmp_path: Path) -> None:
    script = tmp_path / "life.py"
    script.write_text(KILLED_AT_EVERY_STEP)
    result = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "root")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 40
