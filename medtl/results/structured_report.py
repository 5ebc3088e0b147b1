"""The answer as a DICOM structured report: finding, probability, operating point, model and source images, in codes.

The template is TID 1500 of DICOM PS3.16 in a Comprehensive 3D SR. Concepts that no standard scheme has are in the
private scheme 99MEDTL; those codes never change their meaning.
"""

from __future__ import annotations

from typing import Any

from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from medtl.results.identity import ResultIdentity
from medtl.results.source_images import Sources, untrusted_building
from medtl.results.text import finding, remarks
from shared.prediction.answer import Answer

SCHEME = "99MEDTL"
"""Designator of the private coding scheme; its code values have at most 16 characters (VR SH)."""
SUSPECTED = Code("T-SUSPECTED", SCHEME, "Tumour suspected")
NOT_SUSPECTED = Code("T-NOT-SUSPECTED", SCHEME, "No tumour suspected")
NOT_ASSESSED = Code("373121007", "SCT", "Not evaluated")
PROBABILITY = Code("T-PROBABILITY", SCHEME, "Tumour probability")
RAW_PROBABILITY = Code("T-RAW-SCORE", SCHEME, "Raw tumour probability, not assessed, not to be relied on")
ADVICE = Code("ADVICE", SCHEME, "Advice")
HUMAN_LOOKS = Code("HUMAN-MUST-LOOK", SCHEME, "Not assessed: a human must look")
CERTIFIED = Code("SENS-CERTIFIED", SCHEME, "Sensitivity certified on validation (lower 95% bound)")
OOD_SCORE = Code("OOD-SCORE", SCHEME, "Out-of-distribution score of the input")
OOD_THRESHOLD = Code("OOD-THRESHOLD", SCHEME, "Out-of-distribution score above which nothing is assessed")
USE = Code("INTENDED-USE", SCHEME, "Intended use")
RESEARCH = Code("RESEARCH-ONLY", SCHEME, "Research use only, not for diagnosis")
FINDINGS = {"positive": SUSPECTED, "negative": NOT_SUSPECTED, None: NOT_ASSESSED}
TITLE = "medtl report (RESEARCH USE ONLY)"


def report(identity: ResultIdentity, answer: Answer) -> Any:
    """Makes the structured report of one answer, assessed or refused.

    Args:
        identity: Identity of the result, with the source images.
        answer: The answer.

    Returns:
        A Comprehensive 3D SR, as a pydicom dataset.

    Raises:
        DataError: Values of the source images keep highdicom from making it.
    """
    sources = identity.sources
    with untrusted_building("structured report"):
        return sr.Comprehensive3DSR(
            evidence=list(sources.instances),
            content=_document(identity, answer),
            is_complete=True,
            is_final=False,
            is_verified=False,
            coding_schemes=[_scheme()],
            **identity.attributes("SR", TITLE),
        )


def _document(identity: ResultIdentity, answer: Answer) -> Any:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=identity.device_uid, name="medtl", manufacturer_name="medtl", model_name=identity.model
    )
    observer = sr.ObserverContext(codes.DCM.Device, device)
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(identity.uid("tracking"), "whole input"),
        finding_type=FINDINGS[answer.decision],
        finding_sites=[sr.FindingSite(codes.SCT.Brain)],
        algorithm_id=_algorithm(identity),
        measurements=_measurements(answer),
        qualitative_evaluations=_evaluations(answer),
        source_images=_references(identity.sources, by_frame=answer.status != "refused"),
    )
    for line in (finding(answer), *remarks(answer, identity.record)):
        group[0].ContentSequence.append(sr.TextContentItem(codes.DCM.Comment, line, sr.RelationshipTypeValues.CONTAINS))
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_person_context=None, observer_device_context=observer),
        procedure_reported=codes.LN.BrainMRI,
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _algorithm(identity: ResultIdentity) -> Any:
    record = identity.record
    parameters = [
        f"weights SHA-256 {record.weights_hash}",
        f"backbone {record.backbone.get('name', 'unknown')}",
        f"threshold {record.threshold}",
    ]
    return sr.AlgorithmIdentification(
        name=f"medtl {identity.model}", version=record.weights_hash, parameters=parameters, manufacturer="medtl"
    )


def _evaluations(answer: Answer) -> list[Any]:
    advice = [sr.QualitativeEvaluation(ADVICE, HUMAN_LOOKS)] if answer.caution is not None else []
    return [sr.QualitativeEvaluation(USE, RESEARCH), *advice]


def _measurements(answer: Answer) -> list[Any]:
    # a raw score has a name of its own: whoever looks for the probability must not find it
    probability = PROBABILITY if answer.caution is None else RAW_PROBABILITY
    stated = (
        (probability, answer.positive_probability),
        (codes.DCM.ThresholdValue, answer.threshold),
        (CERTIFIED, answer.certified_sensitivity),
        (OOD_SCORE, answer.ood_score),
        (OOD_THRESHOLD, answer.ood_threshold),
    )
    return [sr.Measurement(name, value, codes.UCUM.NoUnits) for name, value in stated if value is not None]


def _references(sources: Sources, *, by_frame: bool) -> list[Any]:
    """References to each source object, with the numbers of its frames where it has several and `by_frame`."""
    found = []
    for instance in sources.instances:
        numbers = sorted(frame.number for frame in sources.frames if frame.instance is instance)
        several = int(instance.get("NumberOfFrames") or 1) > 1
        reference = (instance.SOPClassUID, instance.SOPInstanceUID, numbers if several and by_frame else None)
        found.append(sr.SourceImageForMeasurementGroup(*reference))
    return found


def _scheme() -> Any:
    return CodingSchemeIdentificationItem(
        designator=SCHEME, name="Codes of medtl", version="1", responsible_organization="medtl"
    )
