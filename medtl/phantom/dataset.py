"""A synthetic multi-scanner head-MRI dataset, written as DICOM series with masks and `labels.csv`.

The layout is that of a clinical collection: `<patient>/<date>/IM0001.dcm`, `masks/*.png`, one table. `phantom.json`
marks it as synthetic, and so does every DICOM header.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from medtl.labels import NO_TUMOUR
from medtl.phantom.anatomy import (
    HIGHEST_MM,
    LOWEST_MM,
    Head,
    cavity,
    draw_head,
    oval,
    paint_brain,
    paint_vault,
    paint_vessels,
)
from medtl.phantom.canvas import Canvas, Field
from medtl.phantom.physics import SCANNERS, Scanner, acquire, draw_spread, receive_field, signals
from medtl.phantom.skull_base import FACE_BELOW_MM, paint_face, paint_posterior_fossa
from medtl.phantom.tumours import KINDS, Lesion, displaced, draw_lesions, paint_lesions
from medtl.scanners import scanner_of_header
from shared.errors import DataError
from shared.io.atomic import new_folder, read_json
from shared.processes.script import without_script
from shared.registry import unknown_name
from shared.seeding import generator

COLUMNS = ("path", "mask", "patient", "scanner", "date", "slice", "label", "tumour_pixels", "kind")
VERSION = 3
"""Version of the files; to be counted up when the same seed gives other bytes."""
MIN_TUMOUR_MM2 = 20.0
"""Smallest area of tumour that labels a slice; with less it is no_tumour: a spot of 5 mm is no finding."""
FULL_SCALE = 1000.0
"""Stored value of white matter at the usual gain, about that of clinical magnitude images."""
GADOLINIUM_MM = (0.5, 0.9)
"""Smallest and largest concentration of contrast agent in blood, in millimole a litre, minutes after the usual dose of
0.1 mmol/kg, which spreads in about 0.2 l/kg."""
DATE = "20000101"
"""Study Date of all series; nobody was scanned that day."""
MIN_PATIENTS_FOR_PROCESSES = 16
"""Fewest patients that are worth several processes: one takes about a second to start, a patient half of one."""
SYNTHETIC_SCANNERS = ("atlas", "borealis")
"""Scanners of `synthetic_dataset`. The demo transfers from the first to the second, with another field and sequence."""
SYNTHETIC_PATIENTS = 120
"""Patients a scanner of `synthetic_dataset`: enough for AUC 0.97 on the first, in minutes (docs/lab-log.md)."""


@dataclass(frozen=True)
class _Job:
    """One patient to write."""

    folder: Path
    scanner: str
    number: int
    kind: str
    slices: int
    seed: int


@dataclass(frozen=True)
class _Patient:
    """One made-up person in one scanner."""

    name: str
    scanner: Scanner
    head: Head
    kind: str
    lesions: list[Lesion]
    signal: dict[str, float]
    white: float


def write_phantom(
    out: Path,
    *,
    patients: int,
    scanners: Sequence[str],
    slices: int = 12,
    seed: int = 0,
    kinds: Sequence[str] = KINDS[:3],
    healthy_share: float = 1 / 3,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Writes a synthetic dataset; the folder appears only when it is complete, and the same seed gives the same bytes.

    Args:
        out: A folder that does not exist or is empty.
        patients: Number of patients for each scanner.
        scanners: Names of scanners, from `SCANNERS`.
        slices: Number of axial slices of each patient, from the pons to near the vertex.
        seed: Seed of all random draws.
        kinds: Tumour kinds that occur, from `KINDS`; patients get them in turn.
        healthy_share: Share of patients without a tumour, 0 to 1.
        progress: Called with (patients done, patients in all).

    Returns:
        `out`.

    Raises:
        DataError: `out` holds something, a name is unknown, or a number is out of range.
    """
    _check(patients, scanners, slices, kinds, healthy_share)
    rows: list[dict[str, object]] = []
    with new_folder(out) as folder:
        (folder / "masks").mkdir()
        jobs = [
            _Job(folder, name, number, _kind(number, kinds, healthy_share), slices, seed)
            for name in scanners
            for number in range(patients)
        ]
        for done, of_patient in enumerate(_written(jobs), start=1):
            rows += of_patient
            if progress is not None:
                progress(done, len(jobs))
        _write_table(folder / "labels.csv", rows)
        facts = {"synthetic": True, "version": VERSION, "seed": seed, "scanners": [*scanners], "kinds": [*kinds]}
        counts = {"patients_per_scanner": patients, "slices": slices, "healthy_share": healthy_share}
        (folder / "phantom.json").write_text(json.dumps(facts | counts, indent=2) + "\n")
    return out


def synthetic_domains() -> tuple[str, ...]:
    """Names the scanners of `synthetic_dataset`, as they are read from its headers: maker and model in lower case."""
    return tuple(scanner_of_header(SCANNERS[name].manufacturer, SCANNERS[name].model) for name in SYNTHETIC_SCANNERS)


def synthetic_dataset(root: Path, progress: Callable[[int, int], None]) -> Path:
    """Writes the phantom into `root/phantom`, unless it is there, and returns that folder.

    Args:
        root: Folder for generated data.
        progress: Called with (patients done, patients in all) while it is written.

    Raises:
        DataError: The existing dataset was written by another version.
        RunError: `phantom.json` is damaged.
    """
    out = root / "phantom"
    if not (out / "phantom.json").is_file():
        write_phantom(out, patients=SYNTHETIC_PATIENTS, scanners=SYNTHETIC_SCANNERS, progress=progress)
    facts = read_json(out / "phantom.json")
    if (facts.get("version"), facts.get("patients_per_scanner")) != (VERSION, SYNTHETIC_PATIENTS):
        raise DataError(f"{out} was written by another version of medtl; delete it, and it is written anew")
    return out


def _check(patients: int, scanners: Sequence[str], slices: int, kinds: Sequence[str], healthy_share: float) -> None:
    for what, names, known in (("scanner", scanners, SCANNERS), ("tumour kind", kinds, KINDS)):
        if len(set(names)) != len(names) or (not names and what == "scanner"):
            raise DataError(f"{what}s are {', '.join(names) or 'none'}; name one or more, each once")
        for name in names:
            if name not in known:
                raise DataError(unknown_name(what, name, list(known)))
    if not kinds and healthy_share < 1.0:
        raise DataError("no tumour kind is named; name one or more, or make all patients healthy (healthy share 1)")
    for what, count in (("patients", patients), ("slices", slices)):
        if count < 1:
            raise DataError(f"{what} is {count}; at least 1 is needed")
    if not 0.0 <= healthy_share <= 1.0:
        raise DataError(f"the healthy share is {healthy_share}; allowed is 0 to 1")


def _kind(number: int, kinds: Sequence[str], healthy_share: float) -> str:
    """Kind of a patient: the healthy are spread evenly and the kinds take turns, so that small sets have all kinds."""
    healthy_before, healthy_with = int(number * healthy_share + 1e-9), int((number + 1) * healthy_share + 1e-9)
    if healthy_with > healthy_before:
        return NO_TUMOUR
    return kinds[(number - healthy_before) % len(kinds)]


def _draw_patient(scanner: Scanner, number: int, kind: str, seed: int) -> _Patient:
    random = generator(seed, "phantom", scanner.name, number)
    head = draw_head(random)
    gadolinium_mm, spread = random.uniform(*GADOLINIUM_MM), draw_spread(random)
    signal = signals(scanner, gadolinium_mm, spread)
    return _Patient(
        # another seed draws other people: two phantoms must not seem to share their patients
        name=f"PHANTOM-{scanner.name.upper()}-{seed * 10_000 + number + 1:04d}",
        scanner=scanner,
        head=head,
        kind=kind,
        lesions=[] if kind == NO_TUMOUR else draw_lesions(kind, head, random),
        signal=signal,
        white=signals(scanner, 0.0)["white"],
    )


def _written(jobs: Sequence[_Job]) -> Iterator[list[dict[str, object]]]:
    """Writes all patients and yields the rows of each, in order; in several processes where that saves time."""
    if len(jobs) < MIN_PATIENTS_FOR_PROCESSES:
        yield from map(_write_patient, jobs)
        return
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(jobs)), mp_context=get_context("spawn")) as pool:
        with without_script():  # submitting starts the processes
            written = pool.map(_write_patient, jobs)
        yield from written


def _write_patient(job: _Job) -> list[dict[str, object]]:
    from medtl.phantom.dicom import Series, write_slice

    folder, slices, seed = job.folder, job.slices, job.seed
    patient = _draw_patient(SCANNERS[job.scanner], job.number, job.kind, seed)
    random = generator(seed, "phantom scan", patient.scanner.name, patient.name)
    heights = np.linspace(LOWEST_MM, HIGHEST_MM, slices) + random.uniform(-3.0, 3.0)
    spacing = (HIGHEST_MM - LOWEST_MM) / max(slices - 1, 1)
    name = f"PHANTOM^{patient.name.removeprefix('PHANTOM-')}"
    series = Series(patient.scanner, patient.name, name, DATE, spacing, seed)
    gain, field = random.uniform(0.7, 1.4), receive_field(patient.scanner, random)
    (folder / patient.name / DATE).mkdir(parents=True)
    rows = []
    for number, height_mm in enumerate(map(float, heights), start=1):
        truth, mask = draw_slice(patient.scanner, patient.head, patient.lesions, patient.signal, height_mm)
        image = acquire(truth * field, patient.scanner, patient.scanner.noise * patient.white, random)
        stored = np.clip(np.rint(image * (gain * FULL_SCALE / patient.white)), 0, 65535).astype(np.uint16)
        path, mask_path = f"{patient.name}/{DATE}/IM{number:04d}.dcm", ""
        write_slice(folder / path, stored, series, number, height_mm)
        seen = mask.sum() * patient.scanner.pixel_spacing_mm**2 >= MIN_TUMOUR_MM2
        if seen:
            mask_path = f"masks/{patient.name}_{DATE}_{number:04d}.png"
            PillowImage.fromarray(mask.astype(np.uint8) * 255).save(folder / mask_path)
        values = (
            path,
            mask_path,
            patient.name,
            f"{patient.scanner.manufacturer} {patient.scanner.model}",
            DATE,
            number,
            patient.kind if seen else NO_TUMOUR,
            int(mask.sum()),
            patient.kind,
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def draw_slice(
    scanner: Scanner, head: Head, lesions: list[Lesion], signal: dict[str, float], height_mm: float
) -> tuple[Field, NDArray[np.bool_]]:
    """Draws an axial slice of a head on the scanner's grid, as true signals without noise.

    Args:
        scanner: The scanner, for its matrix and pixel spacing.
        head: The head of the patient.
        lesions: The tumours of the patient; empty for the healthy.
        signal: Signal of each tissue, from `medtl.phantom.physics.signals`.
        height_mm: Height of the slice over the plane through the commissures.

    Returns:
        The signals, float32 [matrix, matrix], and a bool mask of the same shape, true where there is tumour.
    """
    place = ((np.arange(scanner.matrix) - 0.5 * (scanner.matrix - 1)) * scanner.pixel_spacing_mm).astype(np.float32)
    across, down = place[np.newaxis, :] - head.shift[0], place[:, np.newaxis] - head.shift[1]
    cosine, sine = np.cos(head.tilt_rad), np.sin(head.tilt_rad)
    x = (cosine * across + sine * down).astype(np.float32)
    y = (cosine * down - sine * across).astype(np.float32)
    canvas = Canvas(x, y, scanner.pixel_spacing_mm, signal)
    vault = oval(head, x, y, height_mm)
    inside = cavity(head, vault, x, y, height_mm)
    surface = paint_vault(canvas, head, vault, height_mm)
    if height_mm < FACE_BELOW_MM:
        paint_face(canvas, head, surface, vault, inside, height_mm)
    tissue_x, tissue_y = displaced(lesions, x, y, height_mm)
    white = paint_brain(canvas, head, inside, tissue_x, tissue_y, height_mm)
    paint_posterior_fossa(canvas, head, inside, tissue_x, tissue_y, height_mm)
    paint_vessels(canvas, head, inside, height_mm)
    mask = paint_lesions(canvas, head, lesions, inside, white, height_mm)
    grain = head.texture.at(x + 31.0, y, 2.0 * height_mm)
    return canvas.image * (1.0 + 0.025 * grain), mask


def _write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(stream.getvalue())
