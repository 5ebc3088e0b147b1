"""The answer as a DICOM structured report: finding, probability, operating point, model and source images, in codes.

The template is TID 1500 of DICOM PS3.16 in a Comprehensive SR: it states no coordinates in space, and more viewers show
it than the Comprehensive 3D SR that IHE AI Results (AIR) names. The terms of AIR have standard codes: kind of finding,
probability, device and algorithm. Concepts that no standard scheme has are in the private scheme 99MEDTL; those codes
never change their meaning.
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
CATEGORY = codes.SCT.Neoplasm
"""What kind of finding was looked for, whether it was found or not."""
SUSPECTED = Code("T-SUSPECTED", SCHEME, "Tumour suspected")
NOT_SUSPECTED = Code("T-NOT-SUSPECTED", SCHEME, "No tumour suspected")
NOT_ASSESSED = Code("373121007", "SCT", "Not evaluated")
PROBABILITY = codes.DCM.Probability
RAW_PROBABILITY = Code("T-RAW-SCORE", SCHEME, "Raw tumour probability, not assessed, not to be relied on")
ADVICE = Code("ADVICE", SCHEME, "Advice")
HUMAN_LOOKS = Code("HUMAN-MUST-LOOK", SCHEME, "Not assessed: a human must look")
HUMAN_DECIDES = Code("HUMAN-DECIDES", SCHEME, "Series not decided: a human must look")
UNDECIDED_SCORE = Code("T-UNDECIDED", SCHEME, "Tumour score of a series that was not decided")
CERTIFIED = Code("SENS-CERTIFIED", SCHEME, "Sensitivity certified on validation (lower 95% bound)")
SLICE_PROBABILITY = Code("T-PROB-SLICE", SCHEME, "Tumour probability of one slice")
RAW_SLICE_PROBABILITY = Code("T-RAW-SLICE", SCHEME, "Raw tumour probability of one slice, not to be relied on")
SLICE_NUMBER = Code("SLICE-NUMBER", SCHEME, "Number of the slice in the series that was judged")
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
        A Comprehensive SR, as a pydicom dataset.

    Raises:
        DataError: Values of the source images keep highdicom from making it.
    """
    sources = identity.sources
    with untrusted_building("structured report"):
        return sr.ComprehensiveSR(
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
        uid=identity.device_uid,
        name="medtl",
        manufacturer_name="medtl",
        model_name=identity.model,
        serial_number=identity.record.weights_hash,
    )
    observer = sr.ObserverContext(codes.DCM.Device, device)
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(identity.uid("tracking"), "whole input"),
        finding_category=CATEGORY,
        finding_type=FINDINGS[answer.decision],
        finding_sites=[sr.FindingSite(codes.SCT.Brain)],
        algorithm_id=_algorithm(identity, answer),
        measurements=[*_measurements(answer), *_slice_measurements(identity.sources, answer)],
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


def _algorithm(identity: ResultIdentity, answer: Answer) -> Any:
    record = identity.record
    trained = [] if answer.provenance is None else [f"trained until {answer.provenance.finished}"]
    parameters = [
        *trained,
        f"trained on data SHA-256 {record.data_hash}",
        f"weights SHA-256 {record.weights_hash}",
        f"backbone {record.backbone.get('name', 'unknown')}",
        f"threshold {record.threshold}",
    ]
    return sr.AlgorithmIdentification(
        name=f"medtl {identity.model}",
        version=record.weights_hash,
        parameters=parameters,
        family=codes.DCM.ArtificialIntelligence,
        manufacturer="medtl",
    )


def _evaluations(answer: Answer) -> list[Any]:
    looks = HUMAN_DECIDES if answer.status == "not decided" else HUMAN_LOOKS
    advice = [sr.QualitativeEvaluation(ADVICE, looks)] if answer.caution is not None else []
    return [sr.QualitativeEvaluation(USE, RESEARCH), *advice]


def _measurements(answer: Answer) -> list[Any]:
    # a raw score has a name of its own: whoever looks for the probability must not find it
    names = {"not assessed": RAW_PROBABILITY, "not decided": UNDECIDED_SCORE}
    probability = names.get(answer.status, PROBABILITY)
    stated = (
        (probability, answer.positive_probability),
        (codes.DCM.ThresholdValue, answer.threshold),
        (CERTIFIED, answer.certified_sensitivity),
        (OOD_SCORE, answer.ood_score),
        (OOD_THRESHOLD, answer.ood_threshold),
    )
    return [sr.Measurement(name, value, codes.UCUM.NoUnits) for name, value in stated if value is not None]


def _slice_measurements(sources: Sources, answer: Answer) -> list[Any]:
    """The probability of each slice, with its number and a reference to the image that it was read from."""
    found, probability = [], RAW_SLICE_PROBABILITY if answer.status == "not assessed" else SLICE_PROBABILITY
    for one, frame in zip(answer.slices, sources.frames, strict=True) if answer.slices else ():
        image = sr.SourceImageForMeasurement(*_reference(frame.instance, [frame.number]))
        measured = sr.Measurement(probability, one.positive_probability, codes.UCUM.NoUnits, referenced_images=[image])
        number = sr.NumContentItem(
            SLICE_NUMBER, one.number, codes.UCUM.NoUnits, relationship_type=sr.RelationshipTypeValues.HAS_PROPERTIES
        )
        measured[0].ContentSequence.append(number)
        found.append(measured)
    return found


def _reference(instance: Any, frames: list[int] | None) -> tuple[str, str, list[int] | None]:
    """SOP class, SOP instance, and the frames where the object has several."""
    several = int(instance.get("NumberOfFrames") or 1) > 1
    return instance.SOPClassUID, instance.SOPInstanceUID, frames if several else None


def _references(sources: Sources, *, by_frame: bool) -> list[Any]:
    """References to each source object, with the numbers of its frames where it has several and `by_frame`."""
    found = []
    for instance in sources.instances:
        numbers = sorted(frame.number for frame in sources.frames if frame.instance is instance)
        found.append(sr.SourceImageForMeasurementGroup(*_reference(instance, numbers if by_frame else None)))
    return found


def _scheme() -> Any:
    return CodingSchemeIdentificationItem(
        designator=SCHEME, name="Codes of medtl", version="1", responsible_organization="medtl"
    )
