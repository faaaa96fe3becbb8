"""Numbers of the PFM twin against theory and literature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from probeline.sim.drift import Drift
from probeline.sim.pfm.loops import LoopParameters, branches
from probeline.sim.pfm.structure import KINK, Stripes
from probeline.sim.pfm.writing import domain_radius

WIDTHS = 0.5, 0.3, 0.4, 0.6
LOOP = LoopParameters(*(np.array([value]) for value in (-2.5, 3.0, -40e-12, 80e-12, 0.0)), np.array(WIDTHS)[:, None])


def test_displacement_spreads_as_an_integrated_ornstein_uhlenbeck_process():
    sigma, tau, time = 0.02e-9, 600.0, 1800.0
    # Variance of the integral of a stationary OU velocity; 24.30 nm for these numbers.
    expected = sigma * tau * np.sqrt(2 * (time / tau - 1 + np.exp(-time / tau)))
    ends = np.array([Drift(seed, settling=0.0)(time) for seed in range(3000)])
    assert expected == pytest.approx(24.30e-9, rel=1e-3)
    assert ends.std() == pytest.approx(expected, rel=0.05)
    assert abs(ends.mean()) < 4 * expected / np.sqrt(ends.size)
    assert abs(np.corrcoef(ends[:, 0], ends[:, 1])[0, 1]) < 4 / np.sqrt(len(ends))


def test_surface_kinks_by_the_angle_of_tetragonality():
    # 90 deg - 2 atan(a/c) with c/a = 1.064 of PbTiO3.
    assert np.degrees(KINK) == pytest.approx(3.5, abs=0.1)
    stripes = Stripes(np.array([0.0]), np.array([40e-9]), 150e-9)
    small = 0.01e-9
    for border, sign in ((-20e-9, 1), (20e-9, -1)):
        left, here, right = stripes.height(border + np.array([-small, 0, small]))
        kink = np.arctan((right - here) / small) - np.arctan((here - left) / small)
        assert np.degrees(kink) == pytest.approx(sign * np.degrees(KINK), rel=2e-3)


def test_ridge_of_a_narrow_stripe_is_a_nanometre_high():
    stripes = Stripes(np.array([0.0]), np.array([30e-9]), 150e-9)
    height = stripes.height(np.linspace(-1e-6, 1e-6, 4001))
    assert np.ptp(height) == pytest.approx(30e-9 * np.tan(KINK), rel=0.25)
    assert np.abs(height[[0, -1]]).max() < 0.02e-9


def test_area_identity_to_nine_digits():
    bias = np.linspace(-12, 12, 2_400_001)
    down, up = branches(bias, LOOP)
    numeric = np.trapezoid((down - up)[0], bias) * LOOP.switchable[0]
    assert numeric == pytest.approx(LOOP.area()[0], rel=1e-9)


def test_branches_equal_the_published_function():
    """Term by term as the nine-parameter loop is written down, evaluated with math.erf."""
    b0, b1, b2, b3 = WIDTHS
    bias = np.linspace(-8, 8, 33)
    down, up = branches(bias, LOOP)
    for number, v in enumerate(bias):
        g1 = (b1 - b0) / 2 * (math.erf(1000 * (v + 2.5)) + 1) + b0
        g2 = (b3 - b2) / 2 * (math.erf(1000 * (v - 3.0)) + 1) + b2
        assert down[0, number] == pytest.approx((g1 * math.erf((v + 2.5) / g1) + b0) / (b0 + b1), abs=1e-12)
        assert up[0, number] == pytest.approx((g2 * math.erf((v - 3.0) / g2) + b2) / (b2 + b3), abs=1e-12)


def test_domain_radius_follows_creep():
    """nm after 0.1 ms, 10 ms, 1 s: numerical integration of dr/dt = 50 m/s exp(-Ea/E(r))."""
    expected = {6.0: (27.6, 33.3, 37.6), 10.0: (37.9, 43.8, 48.5)}
    for bias, radii in expected.items():
        measured = [domain_radius(bias, time) * 1e9 for time in (1e-4, 1e-2, 1.0)]
        assert measured == pytest.approx(radii, abs=0.1)
    biases, times = np.linspace(6, 10, 9), np.geomspace(1e-4, 1, 9)
    for grid, radii in (
        (biases, [domain_radius(bias, 1e-2) for bias in biases]),
        (np.log10(times), [domain_radius(8.0, time) for time in times]),
    ):
        line = np.polyval(np.polyfit(grid, radii, 1), grid)
        assert np.abs(line / radii - 1).max() < 0.02
    assert domain_radius(0.0, 1.0) < 1e-30
