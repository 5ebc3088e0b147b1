"""Makes the DICOM results of one series: those of `medtl.results.objects`, or a plain report where they cannot be made.

The objects describe MR images only. Any other series is answered by a Basic Text SR with the reason of its refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian

from medtl.dicom.reader import untrusted_decoding
from medtl.results.identity import MANUFACTURER, derive_uid
from medtl.results.objects import result_objects
from medtl.results.source_images import MAY_BE_EMPTY
from medtl.results.text import finding, remarks
from shared.errors import DataError
from shared.prediction.answer import Answer
from shared.prediction.predictor import Predictor
from shared.task import Task

Code = tuple[str, str, str]
REPORT: Code = ("18748-4", "LN", "Diagnostic imaging report")
FINDING: Code = ("121071", "DCM", "Finding")
COMMENT: Code = ("121106", "DCM", "Comment")
"""Source: DICOM PS3.16, context groups 7000 and 7002, and annex D."""
INHERITED = (*MAY_BE_EMPTY, "SpecificCharacterSet", "IssuerOfPatientID", "StudyInstanceUID")


def results_of(folder: Path, predictor: Predictor, task: Task) -> list[Dataset]:
    """Judges the one series in a folder and makes its result objects.

    Args:
        folder: Folder with the instances of one series.
        predictor: The opened run that judges.
        task: The application, which reads the instances.

    Returns:
        The result objects; their UIDs depend only on the instances and the model.

    Raises:
        InputRefused: An instance is damaged.
    """
    answers = [(item, predictor.assess(item)) for item in task.read_inputs([folder])]
    try:
        return [one for item, answer in answers for one in result_objects(item, answer, predictor.record)]
    except DataError:
        return [plain_report(folder, [answer for _, answer in answers], predictor)]


def plain_report(folder: Path, answers: Sequence[Answer], predictor: Predictor) -> Dataset:
    """Makes a Basic Text SR of the answers about a series, for images that no other object can describe.

    Args:
        folder: Folder with the instances of one series.
        answers: What was answered.
        predictor: The opened run that judged.

    Returns:
        The report; its UIDs depend only on the instances and the model.

    Raises:
        InputRefused: An instance is damaged.
    """
    keywords = [*INHERITED, "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"]
    with untrusted_decoding():
        sources = [
            pydicom.dcmread(path, stop_before_pixels=True, specific_tags=keywords) for path in sorted(folder.iterdir())
        ]
        sources.sort(key=lambda source: str(source.SOPInstanceUID))
    content = [(FINDING, finding(answer)) for answer in answers]
    comments = dict.fromkeys(line for answer in answers for line in remarks(answer, predictor.record))
    content += [(COMMENT, text) for text in comments]
    with untrusted_decoding():
        return _report(sources, content, predictor.record.weights_hash)


def _report(sources: Sequence[Dataset], content: Sequence[tuple[Code, str]], model: str) -> Dataset:
    """Makes the SR document. Source: DICOM PS3.3, A.35.1 (Basic Text SR IOD)."""
    # what it says too: an image that was sent again whole has the UID of the damaged one
    names = [*(str(source.SOPInstanceUID) for source in sources), *(text for _, text in content)]
    document = Dataset()
    for keyword in INHERITED:
        if keyword in sources[0]:
            document.add(sources[0][keyword])
    for keyword in MAY_BE_EMPTY:
        if keyword not in document:
            setattr(document, keyword, "")
    document.SOPClassUID, document.SOPInstanceUID = BasicTextSRStorage, derive_uid("plain report", model, *names)
    document.SeriesInstanceUID, document.SeriesNumber = derive_uid("series of a plain report", model, *names), 1
    document.Modality, document.InstanceNumber, document.Manufacturer = "SR", 1, MANUFACTURER
    document.ReferencedPerformedProcedureStepSequence, document.PerformedProcedureCodeSequence = [], []
    now = datetime.now()
    document.ContentDate, document.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    document.CompletionFlag, document.VerificationFlag = "COMPLETE", "UNVERIFIED"
    document.CurrentRequestedProcedureEvidenceSequence = [_evidence(sources)]
    document.ValueType, document.ContinuityOfContent = "CONTAINER", "SEPARATE"
    document.ConceptNameCodeSequence = [_code(REPORT)]
    document.ContentSequence = [_text(concept, text) for concept, text in content]
    document.file_meta = FileMetaDataset()
    document.file_meta.MediaStorageSOPClassUID = document.SOPClassUID
    document.file_meta.MediaStorageSOPInstanceUID = document.SOPInstanceUID
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return document


def _evidence(sources: Sequence[Dataset]) -> Dataset:
    """References the judged instances. Source: DICOM PS3.3, table C.17-3b."""
    study, series = Dataset(), Dataset()
    series.SeriesInstanceUID = sources[0].SeriesInstanceUID
    series.ReferencedSOPSequence = []
    for source in sources:
        reference = Dataset()
        reference.ReferencedSOPClassUID = source.SOPClassUID
        reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
        series.ReferencedSOPSequence.append(reference)
    study.StudyInstanceUID = sources[0].StudyInstanceUID
    study.ReferencedSeriesSequence = [series]
    return study


def _text(concept: Code, text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = [_code(concept)]
    # only ASCII is certainly in the character set of the study
    item.TextValue = text.encode("ascii", "replace").decode()
    return item


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item
