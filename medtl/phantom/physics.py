"""MRI physics of the phantom: relaxation, signal equations, receive field, k-space and noise.

Sources: grey and white matter at 1.5 T, and proton densities, as in the digital phantom of Kwan et al., IEEE Trans Med
Imaging 18:1085, 1999; at 3 T Wansapura et al., J Magn Reson Imaging 9:531, 1999; muscle and blood Stanisz et al.,
Magn Reson Med 54:507, 2005; fat and marrow de Bazelaire et al., Radiology 230:652, 2004; fluid after Bojorquez et
al., Magn Reson Imaging 35:69, 2017. Tissues that have no entry there (mucosa, dura, deep grey matter, cerebellum,
brainstem, oedema, necrosis, tumour) are set by us between those that they are made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medtl.phantom.canvas import Field


@dataclass(frozen=True)
class Tissue:
    """Properties of a tissue that its signal depends on.

    Attributes:
        density: Proton density relative to water.
        t1_ms: T1 at 1.5 T and at 3 T.
        t2_ms: T2 at 1.5 T and at 3 T.
        uptake: Concentration of contrast agent relative to that in blood.
    """

    density: float
    t1_ms: tuple[float, float]
    t2_ms: tuple[float, float]
    uptake: float = 0.0


TISSUES = {
    "air": Tissue(0.0, (1.0, 1.0), (1.0, 1.0)),
    "fat": Tissue(1.0, (343.0, 382.0), (58.0, 68.0)),
    "marrow": Tissue(0.60, (549.0, 586.0), (49.0, 49.0), 0.1),
    "bone": Tissue(0.05, (400.0, 450.0), (2.0, 2.0)),
    "muscle": Tissue(0.80, (1008.0, 1412.0), (44.0, 50.0), 0.1),
    "mucosa": Tissue(0.85, (1100.0, 1450.0), (60.0, 60.0), 0.6),
    "vitreous": Tissue(1.0, (4000.0, 4200.0), (1500.0, 1400.0)),
    "csf": Tissue(1.0, (4000.0, 4200.0), (1500.0, 1400.0)),
    "grey": Tissue(0.86, (833.0, 1331.0), (83.0, 110.0)),
    "deep_grey": Tissue(0.83, (690.0, 1120.0), (78.0, 95.0)),
    "cerebellum": Tissue(0.83, (690.0, 1120.0), (78.0, 95.0)),
    "stem": Tissue(0.79, (570.0, 920.0), (73.0, 85.0)),
    "white": Tissue(0.77, (500.0, 832.0), (70.0, 80.0)),
    "dura": Tissue(0.70, (1000.0, 1300.0), (50.0, 50.0), 0.55),
    "vessel": Tissue(0.85, (1441.0, 1932.0), (150.0, 150.0), 1.0),
    "oedema": Tissue(0.88, (1050.0, 1600.0), (120.0, 120.0)),
    "necrosis": Tissue(0.95, (2400.0, 2900.0), (250.0, 250.0), 0.02),
    "tumour": Tissue(0.88, (1200.0, 1700.0), (110.0, 105.0), 1.3),
}
FIELDS_T = (1.5, 3.0)
RELAXIVITY_PER_MM_S = (4.78, 4.97)
"""r1 of gadobutrol in plasma at 1.5 T and 3 T in 1/(mM s). Source: Szomolanyi et al., Invest Radiol 54:559, 2019."""
NORMAL_SPREAD = 0.05
"""Standard deviation of the logarithm of T1 between people; Stanisz gives 3 to 8 %."""


@dataclass(frozen=True)
class Scanner:
    """One scanner with its T1-weighted protocol after contrast agent.

    Attributes:
        name: Name of the scanner in options and reports.
        manufacturer: Manufacturer in the DICOM headers; no real firm.
        model: Manufacturer's Model Name in the DICOM headers.
        field_strength_t: 1.5 or 3, in tesla.
        sequence: Pulse sequence, which decides the signal equation.
        tr_ms: Repetition time.
        te_ms: Echo time.
        flip_deg: Flip angle; a spin echo has 90.
        pixel_spacing_mm: Distance of neighbouring pixels of the written image.
        matrix: Rows and columns of the written image.
        resolution_mm: Resolution of the measured part of k-space; the image is interpolated from it.
        noise: Standard deviation in each channel as a share of the signal of white matter.
        bias_strength: Natural logarithm of the receive field at its extremes.
    """

    name: str
    manufacturer: str
    model: str
    field_strength_t: float
    sequence: Literal["spin_echo", "gradient_echo"]
    tr_ms: float
    te_ms: float
    flip_deg: float
    pixel_spacing_mm: float
    matrix: int
    resolution_mm: float
    noise: float
    bias_strength: float


SCANNERS = {
    scanner.name: scanner
    for scanner in (
        Scanner("atlas", "PHANTOM", "Atlas", 1.5, "spin_echo", 450.0, 12.0, 90.0, 1.0, 232, 1.2, 0.03, 0.12),
        Scanner("borealis", "PHANTOM", "Borealis", 3.0, "gradient_echo", 9.0, 3.0, 16.0, 0.9, 256, 0.95, 0.05, 0.35),
        Scanner("cirrus", "PHANTOM", "Cirrus", 1.5, "spin_echo", 650.0, 20.0, 90.0, 1.25, 184, 1.9, 0.07, 0.30),
    )
}


def signals(scanner: Scanner, gadolinium_mm: float, spread: dict[str, float] | None = None) -> dict[str, float]:
    """Computes the signal of each tissue, relative to full magnetisation.

    Source: Bernstein, King & Zhou, Handbook of MRI Pulse Sequences, 2004, sections 14.1 (spoiled gradient echo) and
    14.3 (spin echo).

    Args:
        scanner: The scanner, for its pulse sequence, times and field strength.
        gadolinium_mm: Contrast agent in blood, in millimole a litre.
        spread: Factor on the T1 of tissues in this person, by tissue; 1 for tissues that it leaves out.

    Returns:
        The signals by the names of `TISSUES`, at least 0.
    """
    at = FIELDS_T.index(scanner.field_strength_t)
    found = {}
    for name, tissue in TISSUES.items():
        own_t1 = tissue.t1_ms[at] * (spread or {}).get(name, 1.0)
        t1 = enhanced_t1_ms(own_t1, tissue.uptake * gadolinium_mm, scanner.field_strength_t)
        found[name] = tissue.density * _steady_state(scanner, t1) * float(np.exp(-scanner.te_ms / tissue.t2_ms[at]))
    return found


def enhanced_t1_ms(t1_ms: float, gadolinium_mm: float, field_strength_t: float) -> float:
    """Computes T1 with contrast agent, in milliseconds: the rate 1/T1 grows by relaxivity times concentration.

    Args:
        t1_ms: T1 without contrast agent.
        gadolinium_mm: Concentration in the tissue, in millimole a litre.
        field_strength_t: 1.5 or 3, in tesla.

    Raises:
        ValueError: The field strength is another one.
    """
    relaxivity = RELAXIVITY_PER_MM_S[FIELDS_T.index(field_strength_t)]
    return 1.0 / (1.0 / t1_ms + relaxivity * gadolinium_mm / 1000.0)


def draw_spread(random: np.random.Generator) -> dict[str, float]:
    """Draws the factors on the T1 of tissues in one person, by the names of `TISSUES`; they lie around 1.

    Args:
        random: Generator of the draws.
    """
    return {name: float(np.exp(random.normal(0.0, NORMAL_SPREAD))) for name in TISSUES}


def _steady_state(scanner: Scanner, t1_ms: float) -> float:
    recovery = float(np.exp(-scanner.tr_ms / t1_ms))
    if scanner.sequence == "spin_echo":
        return 1.0 - recovery
    flip = np.deg2rad(scanner.flip_deg)
    return float(np.sin(flip) * (1.0 - recovery) / (1.0 - np.cos(flip) * recovery))


def receive_field(scanner: Scanner, random: np.random.Generator) -> Field:
    """Draws the receive field of a coil, a smooth factor on the signal of each pixel.

    Args:
        scanner: The scanner, for its matrix and the strength of the field.
        random: Generator of the draws.

    Returns:
        float32 [matrix, matrix], within exp(-/+ bias_strength).
    """
    place = np.linspace(-1.0, 1.0, scanner.matrix, dtype=np.float32)
    # Polynomials up to the second order: the field of a coil around the head has no finer detail.
    row, column = place[:, np.newaxis], place[np.newaxis, :]
    slope_row, slope_column, round_, across = random.normal(0.0, 1.0, 4) * (0.6, 0.6, 0.5, 0.3)
    field = slope_row * row + slope_column * column + abs(round_) * (row**2 + column**2 - 0.7) + across * row * column
    return np.asarray(np.exp(scanner.bias_strength * field / np.abs(field).max()), dtype=np.float32)


def acquire(truth: Field, scanner: Scanner, sigma: float, random: np.random.Generator) -> Field:
    """Simulates the magnitude image of true signals, from the measured part of k-space and noise in both channels.

    The magnitude of a complex signal with Gaussian noise follows Rice's distribution, as in a real scanner
    (Gudbjartsson & Patz, Magn Reson Med 34:910, 1995).

    Args:
        truth: True signals with the receive field, float32 [matrix, matrix].
        scanner: The scanner, for the measured part of k-space.
        sigma: Standard deviation of the noise in each channel of the image, in the unit of `truth`.
        random: Generator that draws the noise.

    Returns:
        float32 [matrix, matrix], at least 0, in the unit of `truth`.
    """
    window = _k_space_window(scanner)
    # White noise passes the window too; it is drawn larger by what the window takes away.
    drawn = sigma / np.sqrt(np.mean(window**2))
    noise = random.standard_normal((2, *truth.shape), dtype=np.float32) * np.float32(drawn)
    image = np.fft.ifft2(np.fft.fft2(truth + noise[0] + 1j * noise[1]) * window)
    return np.abs(image).astype(np.float32)


def _k_space_window(scanner: Scanner) -> NDArray[np.float32]:
    """Window on k-space: 1 in the middle, falling smoothly to 0 at the edge of the measured part, against ringing."""
    frequency = np.abs(np.fft.fftfreq(scanner.matrix, scanner.pixel_spacing_mm)) * 2.0 * scanner.resolution_mm
    taper = np.cos(0.5 * np.pi * np.clip((frequency - 0.6) / 0.4, 0.0, 1.0)) ** 2
    return np.outer(taper, taper).astype(np.float32)
