from __future__ import annotations

from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian

from medtl.node.judge import write_results
from medtl.node.spool import Spool
from medtl.node.worklist import Worklist
from medtl.results.text import UNASSESSED, UNDECIDED


def judged(spool: Spool, text: str) -> None:
    batch = spool.take(0)
    assert batch is not None
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID, report.TextValue = BasicTextSRStorage, "2.25.1", text
    report.file_meta = FileMetaDataset()
    report.file_meta.MediaStorageSOPClassUID, report.file_meta.MediaStorageSOPInstanceUID = BasicTextSRStorage, "2.25.1"
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    write_results([report], batch.out)
    spool.commit(batch)
    spool.end(batch, None)


def test_the_finding_is_that_of_the_last_judgement_also_where_its_number_was_given_before(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    worklist, findings = Worklist(spool.root), []
    spool.store("aa", "1", b"content")
    for text in (UNASSESSED, UNDECIDED):
        judged(spool, text)
        findings += [entry.finding for entry in worklist.entries()]
        spool.reject(spool.unsent()[0])
    assert findings == [UNASSESSED, UNDECIDED]
