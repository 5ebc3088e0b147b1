"""Signal equations, contrast agent, receive field, k-space and noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medtl.phantom.physics import SCANNERS, Scanner, acquire, enhanced_t1_ms, receive_field, signals

every_scanner = pytest.mark.parametrize("scanner", SCANNERS.values(), ids=list(SCANNERS))


@every_scanner
def test_contrast_is_t1_weighted(scanner: Scanner) -> None:
    signal = signals(scanner, 0.5)
    assert signal["fat"] > signal["white"] > signal["deep_grey"] > signal["grey"] > signal["csf"] > signal["air"] == 0.0
    assert signal["tumour"] > signal["white"] > signal["oedema"] > signal["necrosis"]


@every_scanner
def test_contrast_agent_brightens_tumour_and_leaves_brain(scanner: Scanner) -> None:
    plain, enhanced = signals(scanner, 0.0), signals(scanner, 0.5)
    assert enhanced["tumour"] > 1.3 * plain["tumour"]
    assert enhanced["white"] == plain["white"]
    assert plain["tumour"] < plain["white"]


def test_spin_echo_follows_its_equation() -> None:
    scanner = SCANNERS["atlas"]
    expected = 0.77 * (1 - np.exp(-scanner.tr_ms / 500.0)) * np.exp(-scanner.te_ms / 70.0)
    assert signals(scanner, 0.0)["white"] == pytest.approx(expected)


def test_gradient_echo_peaks_at_the_ernst_angle() -> None:
    scanner = SCANNERS["borealis"]
    ernst = float(np.rad2deg(np.arccos(np.exp(-scanner.tr_ms / 832.0))))
    at = [signals(replace(scanner, flip_deg=ernst + d), 0.0)["white"] for d in (-1.0, 0.0, 1.0)]
    assert at[1] == max(at)


def test_contrast_agent_shortens_t1_by_its_relaxivity() -> None:
    assert enhanced_t1_ms(1000.0, 0.0, 1.5) == pytest.approx(1000.0)
    assert enhanced_t1_ms(1000.0, 1.0, 1.5) == pytest.approx(1000.0 / 5.78)


def test_a_person_with_longer_t1_has_less_signal() -> None:
    scanner = SCANNERS["atlas"]
    assert signals(scanner, 0.0, {"white": 1.2})["white"] < signals(scanner, 0.0)["white"]


@every_scanner
def test_receive_field_keeps_within_its_strength(scanner: Scanner) -> None:
    field = np.log(receive_field(scanner, np.random.default_rng(0)))
    assert np.abs(field).max() == pytest.approx(scanner.bias_strength, rel=1e-4)
    assert np.abs(np.diff(field, axis=0)).max() < 0.03


@every_scanner
def test_noise_in_air_is_rayleigh_and_in_tissue_gaussian(scanner: Scanner) -> None:
    shape, random = (scanner.matrix, scanner.matrix), np.random.default_rng(1)
    air = acquire(np.zeros(shape, dtype=np.float32), scanner, 0.01, random)
    tissue = acquire(np.ones(shape, dtype=np.float32), scanner, 0.01, random)
    assert air.mean() == pytest.approx(0.01 * np.sqrt(np.pi / 2), rel=0.05)
    assert tissue.std() == pytest.approx(0.01, rel=0.05)
    assert tissue.mean() == pytest.approx(1.0, abs=1e-3)


def test_coarser_resolution_blurs_an_edge_more() -> None:
    edge = np.zeros((184, 184), dtype=np.float32)
    edge[:, 92:] = 1.0
    steepest = []
    for resolution_mm in (1.3, 2.6):
        scanner = replace(SCANNERS["cirrus"], resolution_mm=resolution_mm)
        image = acquire(edge, scanner, 0.0, np.random.default_rng(0))
        steepest.append(np.abs(np.diff(image[90, 60:120])).max())
    assert steepest[1] < 0.75 * steepest[0]
