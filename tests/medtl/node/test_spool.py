from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from medtl.node.records import Record
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
    spool.end(batch, None)


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
    assert spool.store(SERIES, "1", b"content") == "new"
    assert steps[0].startswith("fsync partial/")
    assert steps[1:] == ["fsync series", "rename", f"fsync series/{SERIES}"]
    assert (spool.root / "series" / SERIES / "1").read_bytes() == b"content"


def test_an_instance_sent_twice_is_stored_once_and_the_first_stays(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    assert spool.store(SERIES, "1", b"first") == "new"
    assert spool.store(SERIES, "1", b"first") == "again"
    assert spool.store(SERIES, "1", b"second") == "other"
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
    assert spool.counts() == (0, 0, 1, 0)
    spool = reopened(spool)
    spool.store(SERIES, "1", b"")
    assert spool.take(0) is None
    spool.store(SERIES, "2", b"")
    batch = taken(spool)
    assert batch.revision.number == 2
    assert batch.instances == {"1", "2", "3"}
    judged(spool, batch)
    assert spool.counts() == (0, 1, 0, 0)


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
        spool.end(batch, 0.0)
    spool = reopened(spool)
    batch = taken(spool)
    assert spool.given_up(batch, 2)
    spool.end(batch, None)
    spool.store(SERIES, "2", b"")
    batch = taken(spool)
    assert not spool.given_up(batch, 2)
    judged(spool, batch)
    assert spool.counts()[2] == 0


def test_a_series_that_is_put_back_waits(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"")
    spool.end(taken(spool), 0.2)
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
        spool.end(batch, None)
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


def test_an_instance_that_is_not_whole_is_replaced_and_its_series_judged_again(tmp_path: Path) -> None:
    spool, whole = opened(tmp_path), lambda data: data.startswith(b"whole")
    for name in "12":
        spool.store(SERIES, name, b"cut off", whole)
    judged(spool, taken(spool))
    assert spool.store(SERIES, "1", b"cut off too", whole) == "other"
    assert spool.take(0) is None
    assert spool.store(SERIES, "1", b"whole", whole) == "replaced"
    assert spool.store(SERIES, "1", b"whole as well", whole) == "other"
    batch = taken(reopened(spool))
    assert (batch.revision.number, batch.instances) == (2, {"1", "2"})
    assert (batch.folder / "1.dcm").read_bytes() == b"whole"


def test_an_instance_that_is_replaced_while_it_is_judged_is_judged_again(tmp_path: Path) -> None:
    spool, whole = opened(tmp_path), lambda data: data.startswith(b"whole")
    for name in "12":
        spool.store(SERIES, name, b"cut off", whole)
    batch = taken(spool)
    assert spool.store(SERIES, "1", b"whole", whole) == "replaced"
    judged(spool, batch)
    batch = taken(reopened(spool))
    assert (batch.revision.number, batch.instances) == (2, {"1", "2"})
    assert (batch.folder / "1.dcm").read_bytes() == b"whole"


def test_failed_attempts_on_an_instance_that_was_replaced_do_not_count(tmp_path: Path) -> None:
    spool, whole = opened(tmp_path), lambda data: data.startswith(b"whole")
    spool.store(SERIES, "1", b"cut off", whole)
    batch = taken(spool)
    spool.fail(batch, "is damaged")
    spool.end(batch, None)
    assert spool.store(SERIES, "1", b"whole", whole) == "replaced"
    assert not spool.given_up(taken(spool), 1)


def test_what_is_not_judged_is_kept_and_deleted_in_time(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for _ in range(2):
        spool.keep(SERIES, "1", b"report")
    assert spool.take(0) is None
    spool = reopened(spool)
    assert spool.take(0) is None
    spool.clean(60)
    assert (spool.root / "others" / SERIES / "1").read_bytes() == b"report"
    spool.clean(0)
    assert not list((spool.root / "others").iterdir())


def work(spool: Spool) -> None:
    """Judges and forwards all that waits, as the listener does."""
    while (batch := spool.take(0)) is not None:
        wait_s: float | None = 0.0
        try:
            (batch.out / "001.dcm").write_bytes(b"result")
            spool.commit(batch, ["own"])
            wait_s = None
        finally:
            spool.end(batch, wait_s)
    sent(spool)


@contextmanager
def disk_that_fills(patch: pytest.MonkeyPatch, step: int) -> Iterator[list[int]]:
    """A disk that is full at one step of the work alone; gives the steps that are left until then."""
    left = [step]

    def once(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == -1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)

        return call

    with patch.context() as patched:
        for name in ("fdopen", "fsync", "link", "mkdir", "rename"):
            patched.setattr(os, name, once(getattr(os, name)))
        yield left


def test_a_disk_that_is_full_at_any_step_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in range(1000):
        spool, acknowledged = Spool(tmp_path / str(step)), list[str]()
        with disk_that_fills(monkeypatch, step) as left, suppress(OSError):
            for name in "12":
                spool.store(SERIES, name, b"content")
                acknowledged.append(name)
            work(spool)
        assert not list((spool.root / "partial").iterdir()), step
        work(spool)
        last = max((spool.root / "results").glob("*/*"), default=None)
        judged_now = set(Record.read(last / "record.json").instances) if last else set()
        assert judged_now >= set(acknowledged), step
        assert not last or (last / "forwarded").exists(), step
        spool.close()
        if left[0] >= 0:
            break
    assert step > 20


def test_below_the_reserve_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, usage = opened(tmp_path), shutil.disk_usage(tmp_path)
    monkeypatch.setattr("medtl.node.place.RESERVE_BYTES", 2 * usage.total)
    monkeypatch.setattr("medtl.node.place.RESERVE_SHARE", 2.0)
    with pytest.raises(OSError, match="No space"):
        spool.store(SERIES, "1", b"content")
    assert not held(spool)
    assert not list((spool.root / "partial").iterdir())


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(64))


def other_fields(path: Path) -> None:
    path.write_text('{"instances": 3}')


def other_names(path: Path) -> None:
    path.write_text('{"instances": [[1]], "results": []}')


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def missing(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("damage", [empty, garbage, other_fields, other_names, nested, missing, folder])
def test_a_revision_with_a_damaged_record_is_set_aside_and_judged_again(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    for series in (SERIES, OTHER):
        spool.store(series, "1", b"content")
        judged(spool, taken(spool))
    damage(spool.root / "results" / SERIES / "1" / "record.json")
    spool = reopened(spool)
    assert [one.series for one in spool.unsent()] == [OTHER]
    batch = taken(spool)
    assert batch.revision.series == SERIES
    judged(spool, batch)
    assert spool.take(0) is None
    assert spool.counts() == (0, 2, 0, 1)
    assert f"results/{SERIES}/1 has a record that cannot be read" in caplog.text


def test_a_record_that_the_machine_cannot_open_now_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"content")
    judged(spool, taken(spool))
    spool.store(SERIES, "2", b"content")
    with monkeypatch.context() as patched:
        patched.setattr(Record, "read", lambda _: (_ for _ in ()).throw(OSError(errno.EMFILE, "many")))
        with pytest.raises(OSError, match="many"):
            spool.take(0)
    assert taken(spool).revision.number == 2
    assert spool.counts() == (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("place", "make"),
    [
        ("series/.DS_Store", garbage),
        ("series/DOE^JOHN", folder),
        ("series/cc", garbage),
        ("series/cc", dangling),
        ("series/aa/.DS_Store", garbage),
        ("series/aa/.snapshot", folder),
        ("series/aa/ff", folder),
        ("series/aa/ff", os.mkfifo),
        ("results/.snapshot", folder),
        ("results/Thumbs.db", garbage),
        ("results/cc", empty),
        ("results/aa/.DS_Store", garbage),
        ("results/aa/new folder", folder),
        ("results/aa/7", empty),
        ("failures/.DS_Store", garbage),
        ("failures/cc", folder),
        ("others/lost+found", folder),
        ("others/bb/.snapshot", folder),
    ],
)
def test_foreign_entries_are_set_aside_and_stop_nothing(
    tmp_path: Path, place: str, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"content")
    judged(spool, taken(spool))
    spool.store(SERIES, "2", b"content")
    spool.keep(OTHER, "1", b"report")
    make(spool.root / place)
    spool = reopened(spool)
    batch = taken(spool)
    assert batch.instances == {"1", "2"}
    judged(spool, batch)
    assert sent(spool) == 2
    spool.clean(0)
    assert held(spool) == []
    assert spool.counts() == (0, 0, 0, 1)
    assert "DOE" not in caplog.text


def test_a_damaged_failure_is_no_failure(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"content")
    batch = taken(spool)
    spool.fail(batch, "is damaged")
    empty(spool.root / "failures" / SERIES)
    assert not spool.given_up(batch, 1)
    assert spool.fail(batch, "is damaged") == 1


def test_results_that_cannot_be_read_are_set_aside_and_made_again(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.store(SERIES, "1", b"content")
    judged(spool, taken(spool))
    spool.reject(spool.unsent()[0])
    assert spool.unsent() == []
    assert taken(spool).revision.number == 1


def test_a_damaged_key_is_refused_and_nothing_is_renamed(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.close()
    (spool.root / "key").write_bytes(b"short")
    with pytest.raises(UsageError, match="5 bytes in place of 32"):
        Spool(spool.root)
