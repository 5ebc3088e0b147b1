"""From tissues to a magnitude image: relaxation, the signal equations, and what a scanner does to a picture.

Sources: T1 and T2 of brain at 1.5 and 3 T rounded from Stanisz et al., Magn Reson Med 54:507, 2005 and Bojorquez et
al., Magn Reson Imaging 35:69, 2017; fat from de Bazelaire et al., Radiology 230:652, 2004; relaxivity of gadolinium
chelates from Rohrer et al., Invest Radiol 40:715, 2005; Rician noise after Gudbjartsson & Patz, Magn Reson Med
34:910, 1995.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

TISSUES = ("air", "fat", "bone", "csf", "grey", "white", "muscle", "vessel", "oedema", "necrosis", "tumour")
_PROTON_DENSITY = (0.0, 0.70, 0.08, 1.0, 0.82, 0.70, 0.75, 0.85, 0.85, 0.95, 0.85)
_T1_MS = {
    1.5: (1.0, 260.0, 400.0, 4000.0, 1120.0, 680.0, 1000.0, 1450.0, 1400.0, 2500.0, 1350.0),
    3.0: (1.0, 370.0, 500.0, 4200.0, 1600.0, 950.0, 1400.0, 1750.0, 1800.0, 3000.0, 1700.0),
}
_T2_MS = {
    1.5: (1.0, 60.0, 2.0, 1800.0, 95.0, 74.0, 45.0, 150.0, 130.0, 300.0, 110.0),
    3.0: (1.0, 55.0, 2.0, 1600.0, 85.0, 66.0, 38.0, 130.0, 115.0, 260.0, 95.0),
}
RELAXIVITY_PER_MM_S = 4.0
"""r1 in 1/(mM s) of the usual gadolinium chelates at clinical fields."""


@dataclass(frozen=True)
class Scanner:
    """One scanner with its T1-weighted protocol.

    Attributes:
        name: As in the data's domains.
        manufacturer: Written into the DICOM tags; marked as not real.
        model: Likewise.
        field_strength_t: 1.5 or 3.0, in tesla.
        sequence: Which signal equation holds.
        tr_ms: Repetition time.
        te_ms: Echo time.
        flip_deg: Flip angle of the gradient echo.
        spacing_mm: Pixel spacing of the written image.
        blur_mm: Width (standard deviation) of the point-spread function.
        noise: Rician sigma as a share of the signal of white matter.
        bias: Half range of the receive field, as a share.
    """

    name: str
    manufacturer: str
    model: str
    field_strength_t: float
    sequence: Literal["spin_echo", "gradient_echo"]
    tr_ms: float
    te_ms: float
    flip_deg: float
    spacing_mm: float
    blur_mm: float
    noise: float
    bias: float


SCANNERS = {
    scanner.name: scanner
    for scanner in (
        Scanner("atlas", "PHANTOM", "Atlas", 1.5, "spin_echo", 500.0, 12.0, 90.0, 1.25, 0.5, 0.03, 0.10),
        Scanner("borealis", "PHANTOM", "Borealis", 3.0, "gradient_echo", 9.0, 3.0, 14.0, 1.0, 0.4, 0.06, 0.35),
        Scanner("cirrus", "PHANTOM", "Cirrus", 1.5, "spin_echo", 650.0, 20.0, 90.0, 1.7, 1.0, 0.09, 0.25),
    )
}


def signal(scanner: Scanner, gadolinium_mm: float = 0.0) -> NDArray[np.float64]:
    """Signal of each tissue in `TISSUES`, relative to full magnetisation.

    Args:
        scanner: Gives sequence, times and field.
        gadolinium_mm: Concentration of contrast agent in vessels, in millimole a litre.

    Source: Bernstein, King & Zhou, Handbook of MRI Pulse Sequences, 2004: spin echo 14.3, spoiled gradient echo 14.1.
    """
    density = np.array(_PROTON_DENSITY)
    t1, t2 = np.array(_T1_MS[scanner.field_strength_t]), np.array(_T2_MS[scanner.field_strength_t])
    vessel = TISSUES.index("vessel")
    t1[vessel] = enhanced_t1(t1[vessel], gadolinium_mm)
    return _echo(scanner, density, t1, t2)


def enhanced_signal(scanner: Scanner, tissue: str, gadolinium_mm: float) -> float:
    """Signal of one tissue with contrast agent in it."""
    index = TISSUES.index(tissue)
    t1 = enhanced_t1(_T1_MS[scanner.field_strength_t][index], gadolinium_mm)
    t2 = _T2_MS[scanner.field_strength_t][index]
    return float(_echo(scanner, np.array(_PROTON_DENSITY[index]), np.array(t1), np.array(t2)))


def enhanced_t1(t1_ms: float, gadolinium_mm: float) -> float:
    """T1 in milliseconds after contrast agent: 1/T1 grows by relaxivity times concentration."""
    return 1.0 / (1.0 / t1_ms + RELAXIVITY_PER_MM_S * gadolinium_mm / 1000.0)


def _echo(
    scanner: Scanner, density: NDArray[np.float64], t1: NDArray[np.float64], t2: NDArray[np.float64]
) -> NDArray[np.float64]:
    recovery = np.exp(-scanner.tr_ms / t1)
    decay = np.exp(-scanner.te_ms / t2)
    if scanner.sequence == "spin_echo":
        return density * (1.0 - recovery) * decay
    flip = np.deg2rad(scanner.flip_deg)
    return density * np.sin(flip) * (1.0 - recovery) / (1.0 - np.cos(flip) * recovery) * decay


def acquire(
    truth: NDArray[np.float64],
    scanner: Scanner,
    field: NDArray[np.float64],
    spacing_mm: float,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """What the scanner makes of true signals: receive field, point spread, its own matrix, Rician noise.

    Args:
        truth: [rows, columns] signals on a grid of `spacing_mm`.
        scanner: Gives blur, matrix and noise.
        field: [rows, columns] receive field, about 1.
        spacing_mm: Of `truth`.
        random: For the noise.
    """
    blurred = gaussian_filter(truth * field, scanner.blur_mm / spacing_mm)
    sampled = zoom(blurred, spacing_mm / scanner.spacing_mm, order=1, grid_mode=True, mode="nearest")
    sigma = scanner.noise * signal(scanner)[TISSUES.index("white")]
    real = sampled + random.normal(0.0, sigma, sampled.shape)
    return np.hypot(real, random.normal(0.0, sigma, sampled.shape)).astype(np.float32)


def receive_field(shape: tuple[int, int], scanner: Scanner, random: np.random.Generator) -> NDArray[np.float64]:
    """A smooth receive field around 1 with a half range of about `scanner.bias`."""
    coarse = random.normal(size=(4, 4))
    smooth = zoom(coarse, (shape[0] / 4, shape[1] / 4), order=3)[: shape[0], : shape[1]]
    return np.asarray(1.0 + scanner.bias * smooth / np.abs(smooth).max())
