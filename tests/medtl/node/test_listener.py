"""The listener in a process of its own, between a sender and a target that counts what it takes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import AllTransferSyntaxes, ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import (
    BasicTextSRStorage,
    ComprehensiveSRStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    Verification,
)
from typer.testing import CliRunner

from medtl.cli import app
from medtl.node.forwarder import describe_refusal
from medtl.phantom.dataset import write_phantom
from medtl.phantom.dicom import Series
from medtl.phantom.physics import SCANNERS
from tests.programs import outside

LISTENER = '''
import hashlib, logging, os, sys, time
from pathlib import Path
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian
from medtl.node.listener import ListenerSettings, listen
from medtl.node.forwarder import Target
from medtl.node.judge import write_results
from medtl.node.spool import Spool


class Judge:
    """Stands for the model."""

    def judge(self, folder, out, report):
        return write_results(results_of(folder), out)


def results_of(folder):
    """An SR that counts the instances; some numbers of series stand for faults."""
    sources = sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda one: one.SOPInstanceUID)
    digest = hashlib.sha256(" ".join(one.SOPInstanceUID for one in sources).encode()).digest()
    if sources[0].SeriesNumber == 66:
        raise ValueError(f"{sources[0].PatientName} is at fault")
    if sources[0].SeriesNumber == 67:
        os.abort()
    if sources[0].SeriesNumber >= 5000:
        time.sleep(0.2)
    result = Dataset()
    result.SOPClassUID, result.SOPInstanceUID = BasicTextSRStorage, f"2.25.{int.from_bytes(digest[:16], 'big')}"
    result.PatientID, result.PatientName, result.Modality = sources[0].PatientID, sources[0].PatientName, "SR"
    result.StudyInstanceUID = sources[0].StudyInstanceUID
    result.SeriesInstanceUID = f"2.25.{int.from_bytes(digest[16:], 'big')}"
    result.InstanceNumber = len(sources)
    result.file_meta = FileMetaDataset()
    result.file_meta.MediaStorageSOPClassUID, result.file_meta.MediaStorageSOPInstanceUID = (
        result.SOPClassUID, result.SOPInstanceUID)
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return [result]


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    spool, port, target, quiet, keep = sys.argv[1:]
    settings = ListenerSettings(
        int(port), target=Target.parse(target), quiet_s=float(quiet), keep_days=float(keep), retry_s=0.2
    )
    listen(Spool(Path(spool)), Judge(), settings, lambda: print("listening", flush=True))
'''


def free_port() -> int:
    """A port on loopback where nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Node:
    """A listener, in a process that can be killed and started again; its standard error is kept in a file."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.command, self.port, self.log = list(command), port, log
        self.process: subprocess.Popen[str] | None = None

    @classmethod
    def with_fake(cls, folder: Path, target_port: int, *, quiet_s: float = 0.6, keep_days: float = 1.0) -> Node:
        """A listener with a callback that is quick and fails when told so."""
        script, port = folder / "node.py", free_port()
        script.write_text(LISTENER)
        target = f"ARCHIVE@127.0.0.1:{target_port}"
        words = [str(folder / "spool"), str(port), target, str(quiet_s), str(keep_days)]
        return cls([sys.executable, str(script), *words], port, folder / "node.log")

    def start(self) -> None:
        """Starts it and waits until it listens."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
        self.started.append(self.process)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("listening"):
                return
        raise AssertionError(f"it ended: {self.log.read_text()}")

    def end(self, number: signal.Signals) -> int:
        """Sends a signal and gives the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listens while the body runs; ends by SIGTERM, in good order."""
        self.start()
        try:
            yield
        finally:
            code = 0 if self.process is None else self.end(signal.SIGTERM)
        assert code == 0, self.log.read_text()


KINDS = (BasicTextSRStorage, ComprehensiveSRStorage, SecondaryCaptureImageStorage)


class Receiver:
    """A target that keeps what it takes, by SOP Instance UID; `statuses` are answered first, one an object."""

    def __init__(self, port: int, statuses: Sequence[int] = ()) -> None:
        self.port, self.statuses = port, list(statuses)
        self.deliveries: list[Dataset] = []

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        """Takes objects while the body runs."""
        entity = AE(ae_title="ARCHIVE")
        for kind in KINDS:
            entity.add_supported_context(kind)
        server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )
        try:
            yield self
        finally:
            for association in server.active_associations:
                association.kill()
            server.shutdown()

    def _take(self, event: Any) -> int:
        if self.statuses:
            return self.statuses.pop(0)
        result = event.dataset
        result.file_meta = event.file_meta
        self.deliveries.append(result)
        return 0

    def of(self, number: int) -> list[Dataset]:
        """What came of `series_of(number)`."""
        return [one for one in self.deliveries if one.PatientID == patient_id(number)]


def patient_id(number: int) -> str:
    return f"PID-{number:04d}"


def series_of(number: int, slices: int = 3, **tags: Any) -> list[Dataset]:
    """The instances of a tiny synthetic series; patients of their own have names that a log can be searched for."""
    series = Series(SCANNERS["atlas"], patient_id(number), f"SURNAME{number:04d}^Given", "20000101", 5.0, 0)
    made = []
    for index in range(1, slices + 1):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, series.uid("instance", index)
        one.PatientID, one.PatientName = series.patient_id, series.patient_name
        one.StudyInstanceUID, one.SeriesInstanceUID = series.uid("study"), series.uid("series")
        one.Modality, one.SeriesNumber, one.InstanceNumber = "MR", number, index
        for keyword, value in tags.items():
            setattr(one, keyword, value)
        made.append(one)
    return made


def identifiers(number: int) -> list[str]:
    """What of `series_of(number)` must not be told to anyone."""
    one = series_of(number)[0]
    return [one.PatientID, f"SURNAME{number:04d}", one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID]


def send(port: int, datasets: Sequence[Dataset]) -> list[int | None]:
    """Sends objects over one association; the status of each, None where there was no answer."""
    entity = AE(ae_title="SENDER")
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    for kind in sorted({one.SOPClassUID for one in datasets}):
        entity.add_requested_context(kind, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port)
    statuses: list[int | None] = []
    for one in datasets:
        if not association.is_established:
            statuses.append(None)
            continue
        try:
            statuses.append(association.send_c_store(one).get("Status"))
        except (RuntimeError, ValueError):
            statuses.append(None)
    if association.is_established:
        association.release()
    return statuses


def echo(port: int) -> int | None:
    """The status of a C-ECHO."""
    entity = AE()
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", port)
    status = association.send_c_echo().get("Status") if association.is_established else None
    association.release()
    return status


def until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@dataclass(frozen=True)
class Site:
    node: Node
    receiver: Receiver
    spool: Path

    def told(self) -> str:
        """Its log, the names in its spool, and what its markers of failure say."""
        # os.walk passes over what the node deletes meanwhile
        listed = os.walk(self.spool)
        names = "".join(f"{at}/{name}" for at, folders, files in listed for name in (*folders, *files))
        return self.node.log.read_text() + names + "".join(path.read_text() for path in self.spool.glob("failures/*"))

    def results(self, number: int, count: int) -> list[Dataset]:
        """What came of a series, once there is so much and what was sent after it is done too."""
        assert until(lambda: len(self.receiver.of(number)) >= count), self.told()
        return self.receiver.of(number)


@pytest.fixture(scope="module", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """Also where a test failed between the start and the end of a listener."""
    yield
    for process in Node.started:
        if process.poll() is None:
            process.kill()
            process.wait(30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A listener between a sender and a target; each test sends series of its own."""
    folder, receiver = tmp_path_factory.mktemp("site"), Receiver(free_port())
    node = Node.with_fake(folder, receiver.port)
    with receiver.running(), node.running():
        yield Site(node, receiver, folder / "spool")


def test_a_series_goes_in_and_its_result_comes_out_once(site: Site) -> None:
    assert echo(site.node.port) == 0
    assert send(site.node.port, series_of(1)) == [0, 0, 0]
    site.results(1, 1)
    assert send(site.node.port, [*series_of(1), *series_of(2)]) == [0] * 6
    site.results(2, 1)
    assert [one.InstanceNumber for number in (1, 2) for one in site.results(number, 1)] == [3, 3]
    assert "revision 1: forwarded" in site.told()
    assert not [word for number in (1, 2) for word in identifiers(number) if word in site.told()]


def test_a_late_instance_gives_a_second_revision(site: Site) -> None:
    *first, late = series_of(3)
    send(site.node.port, first)
    site.results(3, 1)
    send(site.node.port, [late])
    assert [one.InstanceNumber for one in site.results(3, 2)] == [2, 3]


def test_a_result_that_is_sent_back_is_not_judged(site: Site) -> None:
    send(site.node.port, series_of(4))
    assert send(site.node.port, site.results(4, 1)) == [0]
    send(site.node.port, series_of(5))
    site.results(5, 1)
    assert len(site.results(4, 1)) == 1


def test_what_is_no_image_and_answers_of_other_nodes_are_stored_and_not_judged(site: Site) -> None:
    report = series_of(14, slices=1, SOPClassUID=BasicTextSRStorage, Modality="SR")
    capture = series_of(15, slices=1, SOPClassUID=SecondaryCaptureImageStorage, Manufacturer="medtl")
    assert send(site.node.port, [*report, *capture]) == [0, 0]
    send(site.node.port, series_of(16))
    site.results(16, 1)
    assert len(list(site.spool.glob("others/*/*"))) == 2
    assert not site.receiver.of(14)
    assert not site.receiver.of(15)


def test_other_bytes_under_a_known_uid_are_a_warning(site: Site) -> None:
    send(site.node.port, series_of(17))
    assert send(site.node.port, series_of(17, InstitutionName="elsewhere")) == [0xB000] * 3
    site.results(17, 1)
    assert "sent again with other bytes" in site.told()
    assert not [word for word in identifiers(17) if word in site.told()]


def test_two_nodes_in_a_ring_answer_once(tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    one = Node.with_fake(folders[0], free_port())
    two = Node.with_fake(folders[1], one.port)
    one.command[4] = f"ARCHIVE@127.0.0.1:{two.port}"
    with one.running(), two.running():
        assert send(one.port, series_of(18)) == [0, 0, 0]
        assert until(lambda: len(list(folders[1].glob("spool/others/*/*"))) == 1), one.log.read_text()
        time.sleep(3.0)  # a loop would have gone round several times
        revisions = [path for folder in folders for path in folder.glob("spool/results/*/*")]
        assert len(revisions) == 1, two.log.read_text()


def test_an_object_without_its_uids_is_not_taken(site: Site) -> None:
    before = set(site.spool.glob("series/*"))
    assert send(site.node.port, series_of(6, slices=1, SeriesInstanceUID="")) == [0xA900]
    assert set(site.spool.glob("series/*")) == before
    assert not [word for word in identifiers(6) if word in site.told()]


def test_a_series_at_fault_is_tried_three_times_and_stops_nobody(site: Site) -> None:
    for number in (66, 67, 7):
        send(site.node.port, series_of(number))
    site.results(7, 1)
    assert until(lambda: site.told().count('"attempts": 3') == 2)
    for number in (66, 8):
        send(site.node.port, series_of(number))
    site.results(8, 1)
    assert echo(site.node.port) == 0
    assert site.told().count("failed: cannot be judged (ValueError)") == 3
    assert site.told().count("failed: ended the process that worked on it (SIGABRT)") == 3
    assert not [word for number in (66, 67) for word in identifiers(number) if word in site.told()]


def test_all_storage_is_offered_in_every_transfer_syntax(site: Site) -> None:
    kinds = [context.abstract_syntax for context in AllStoragePresentationContexts]
    for start in range(0, len(kinds), 100):
        entity = AE()
        for number, kind in enumerate(kinds[start : start + 100]):
            entity.add_requested_context(kind, AllTransferSyntaxes[number % len(AllTransferSyntaxes)])
        association = entity.associate("127.0.0.1", site.node.port)
        assert len(association.accepted_contexts) == len(entity.requested_contexts)
        association.release()


def test_what_was_acknowledged_outlives_kill_9(tmp_path: Path) -> None:
    receiver = Receiver(free_port())
    node = Node.with_fake(tmp_path, receiver.port)
    node.start()
    assert send(node.port, series_of(1)) == [0, 0, 0]
    node.end(signal.SIGKILL)
    node.start()  # judged now; the target is not there yet
    assert until(lambda: "cannot be reached" in node.log.read_text())
    node.end(signal.SIGKILL)
    receiver.statuses.append(0xA700)  # there, but out of resources: asked again
    with receiver.running():
        node.start()
        assert until(lambda: len(receiver.deliveries) == 1)
        assert "0xA700" in node.log.read_text()
        assert until(lambda: list(tmp_path.glob("spool/results/*/1/forwarded")) != [])
        node.end(signal.SIGKILL)
        with node.running():
            send(node.port, [*series_of(1), *series_of(2)])
            assert until(lambda: receiver.of(2) != [])
    assert len(receiver.deliveries) == 2


def test_what_was_forwarded_is_deleted_in_time(tmp_path: Path) -> None:
    receiver = Receiver(free_port())
    node = Node.with_fake(tmp_path, receiver.port, keep_days=0.0)
    with receiver.running(), node.running():
        send(node.port, series_of(1))
        assert until(lambda: list(tmp_path.glob("spool/results/*/1/forwarded")) != [])
        assert until(lambda: list(tmp_path.glob("spool/series/*")) + list(tmp_path.rglob("*.dcm")) == [])


ORTHANC = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
STORESCU = outside("storescu") or "/usr/bin/storescu"


class Orthanc:
    """A real archive on loopback; it knows one object from another by SOP Instance UID.

    Args:
        folder: A new folder.
        settings: Its settings, in addition to those of all tests.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.port, self.http, self.folder, self.settings = free_port(), free_port(), folder, settings

    @contextmanager
    def running(self) -> Iterator[Orthanc]:
        """Takes objects while the body runs."""
        self.folder.mkdir()
        configuration = self.folder / "orthanc.json"
        settings = {
            "Name": "test",
            "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "DicomAet": "ARCHIVE",
            "DicomPort": self.port,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "OverwriteInstances": False,
            "Plugins": [],
            **self.settings,
        }
        configuration.write_text(json.dumps(settings))
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen([ORTHANC, str(configuration)], stdout=log, stderr=log)
        try:
            assert until(lambda: process.poll() is None and self._answers()), (self.folder / "log").read_text()
            yield self
        finally:
            process.terminate()
            process.wait(30)

    def results(self) -> list[str]:
        """Patient ID of each object that it holds, as often as it holds one."""
        return [one["PatientID"] for one in self.objects()]

    def objects(self) -> list[dict[str, Any]]:
        """The attributes of each object that it holds, by name."""
        return [self.get(f"/instances/{name}/simplified-tags") for name in self.get("/instances")]

    def _answers(self) -> bool:
        try:
            return bool(self.get("/system"))
        except OSError:
            return False

    def get(self, path: str, data: bytes | None = None) -> Any:
        """Its answer to a request, which is a POST where there are data."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data)
        users = self.settings.get("RegisteredUsers", {})
        for user, password in users.items():
            request.add_header("Authorization", f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def send_until_acknowledged(port: int, folders: Sequence[Path]) -> int:
    """One sender: each series again until all of it was acknowledged, as a scanner does; how often it had to."""
    again = 0
    for folder in folders:
        # dcmtk ends with another code than 0 unless every instance was answered with success
        while subprocess.run([STORESCU, "+sd", "127.0.0.1", str(port), str(folder)], capture_output=True).returncode:
            again += 1
            time.sleep(0.1)
    return again


@pytest.fixture
def two_hundred(tmp_path: Path) -> list[Path]:
    """Folders with a tiny series each."""
    folders = [tmp_path / "sources" / f"{number:04d}" for number in range(1000, 1200)]
    for number, folder in enumerate(folders, start=1000):
        folder.mkdir(parents=True)
        for one in series_of(number):
            one.save_as(folder / f"{one.InstanceNumber}.dcm", enforce_file_format=True)
    return folders


@pytest.mark.slow
@pytest.mark.skipif(not Path(ORTHANC).exists() or not Path(STORESCU).exists(), reason="needs Orthanc and dcmtk")
def test_four_senders_and_three_kills_give_one_result_a_series(tmp_path: Path, two_hundred: list[Path]) -> None:
    archive, senders = Orthanc(tmp_path / "orthanc"), 4
    node = Node.with_fake(tmp_path, archive.port, quiet_s=6.0)
    spool = tmp_path / "spool"
    with archive.running(), ThreadPoolExecutor(senders) as pool:
        node.start()
        begun = time.monotonic()
        work = [
            pool.submit(send_until_acknowledged, node.port, two_hundred[start::senders]) for start in range(senders)
        ]
        # once while all only comes in, then while others are judged and sent
        for pattern, count in (("series/*", 40), ("results/*/1/record.json", 20), ("results/*/1/forwarded", 80)):
            assert until(lambda: len(list(spool.glob(pattern))) >= count, 300), node.log.read_text()[-3000:]  # noqa: B023
            node.end(signal.SIGKILL)
            node.start()
        again = sum(one.result() for one in work)
        sent_s = time.monotonic() - begun
        assert until(lambda: len(archive.results()) >= len(two_hundred), 300), node.log.read_text()[-3000:]
        all_s = time.monotonic() - begun
        assert send_until_acknowledged(node.port, two_hundred[:20]) == 0
        time.sleep(10.0)  # longer than a series must be quiet: what could come would have come
        results = archive.results()
        assert node.end(signal.SIGTERM) == 0
    told = node.log.read_text()
    sys.stderr.write(f"sent in {sent_s:.0f} s, {again} times again; all results after {all_s:.0f} s\n{told}\n")
    assert sorted(results) == [patient_id(number) for number in range(1000, 1200)]
    assert "revision 2" not in told
    assert not [word for number in range(1000, 1200) for word in identifiers(number) if word in told]


COMMAND = "from medtl.cli import main\nif __name__ == '__main__':\n    main()\n"


def test_the_command_judges_a_phantom_and_sends_the_report(tmp_path: Path, tiny_model: Path) -> None:
    write_phantom(tmp_path / "phantom", patients=2, scanners=("atlas",), kinds=("glioma",), slices=2)
    sources = [pydicom.dcmread(path) for path in sorted((tmp_path / "phantom").rglob("*.dcm"))]
    receiver, port = Receiver(free_port()), free_port()
    (tmp_path / "command.py").write_text(COMMAND)
    words = [
        "-v",
        "listen",
        "--port",
        str(port),
        "--forward",
        f"ARCHIVE@127.0.0.1:{receiver.port}",
        "--series-timeout",
        "0.5",
    ]
    words += ["--spool", str(tmp_path / "spool"), "--model", str(tiny_model), "--ae-title", "JUDGE", "--keep-days", "0"]
    node = Node([sys.executable, str(tmp_path / "command.py"), *words], port, tmp_path / "log")
    with receiver.running(), node.running():
        assert send(port, sources) == [0] * len(sources)
        patients = {str(one.PatientID) for one in sources}
        # of each a report and its two slices
        assert until(lambda: len(receiver.deliveries) == 3 * len(patients)), node.log.read_text()
    assert {str(one.PatientID) for one in receiver.deliveries} == patients
    reports = [one for one in receiver.deliveries if one.Modality == "SR"]
    assert len(reports) == len(patients)
    assert all("umour suspected: tumour probability" in one.to_json() for one in reports)
    assert not [word for word in patients if word in node.log.read_text()]


@pytest.mark.parametrize(
    ("rejected", "contexts", "said"),
    [
        (True, [], "refuses the association"),
        (False, ["a context"], "accepts none of these kinds of objects"),
        (False, [], "cannot be reached"),
    ],
)
def test_it_is_said_why_there_is_no_association(rejected: bool, contexts: list[str], said: str) -> None:
    association: Any = SimpleNamespace(is_rejected=rejected, rejected_contexts=contexts)
    assert describe_refusal(association) == said


def test_without_forward_results_stay_in_the_spool(tmp_path: Path, tiny_model: Path) -> None:
    write_phantom(tmp_path / "phantom", patients=1, scanners=("atlas",), kinds=("glioma",), slices=2)
    (tmp_path / "command.py").write_text(COMMAND)
    port, spool = free_port(), tmp_path / "spool"
    words = [
        "listen",
        "--port",
        str(port),
        "--spool",
        str(spool),
        "--model",
        str(tiny_model),
        "--series-timeout",
        "0.3",
    ]
    node = Node([sys.executable, str(tmp_path / "command.py"), *words], port, tmp_path / "log")
    with node.running():
        send(port, [pydicom.dcmread(path) for path in sorted((tmp_path / "phantom").rglob("*.dcm"))])
        assert until(lambda: len(list(spool.glob("results/*/1/001.dcm"))) == 1), node.log.read_text()
    assert list(spool.glob("series/*/*"))


def test_an_unfinished_model_and_a_port_in_use_are_said(tmp_path: Path, tiny_model: Path) -> None:
    spool = ["--spool", str(tmp_path / "spool")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["listen", *spool, "--port", port, "--model", str(tiny_model)])
    assert result.exit_code == 2
    assert (
        f"error: port {port} of 127.0.0.1 is in use by another program; end that, or choose another --port"
        in result.output
    )
    half = shutil.copytree(tiny_model, tmp_path / "half")
    (half / "config.yaml").touch()
    (half / "done").unlink()
    result = CliRunner().invoke(app, ["listen", *spool, "--model", str(half)])
    assert result.exit_code == 2
    assert "is not finished" in result.output
