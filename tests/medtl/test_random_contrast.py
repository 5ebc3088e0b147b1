"""Random curves from old to new brightness."""

from __future__ import annotations

import numpy as np

from medtl.random_contrast import AIR, RandomContrast


def test_a_finding_stays_to_be_seen_in_nearly_all_contrasts() -> None:
    contrast = RandomContrast().set_random_state(seed=1)
    spot_and_around = np.array([0.95, 0.7], dtype=np.float32)
    differences = [abs(float(np.subtract(*contrast(spot_and_around)))) for _ in range(200)]
    assert np.mean(np.array(differences) > 0.05) > 0.9


def _curves(count: int) -> np.ndarray:
    """[count, 101] what became of the brightnesses 0 to 1."""
    contrast = RandomContrast().set_random_state(seed=3)
    ramp = np.linspace(0, 1, 101, dtype=np.float32)
    return np.array([contrast(ramp) for _ in range(count)])


def test_contrast_is_kept_rises_or_turns_tissues_around() -> None:
    curves = _curves(400)
    ramp = np.linspace(0, 1, 101, dtype=np.float32)
    kept = (np.abs(curves - ramp) < 1e-6).all(axis=1)
    falling = (np.diff(curves, axis=1) < -1e-4).any(axis=1)
    assert 0.3 < kept.mean() < 0.5
    assert 0.05 < falling.mean() < 0.2
    assert curves.min() >= 0
    assert curves.max() <= 1 + 1e-6


def test_air_stays_dark_and_no_curve_is_flat() -> None:
    curves = _curves(400)
    assert curves[:, 0].max() == 0
    remapped = curves[:, int(100 * AIR) :]
    assert np.ptp(remapped, axis=1).min() > 0.5
