"""Peaks: where they are, how well that is known, and whether there is one at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from probeline.analysis.peaks import SIGNIFICANT, centroid, gaussian_peak, significance
from probeline.core.errors import DataError
from probeline.core.rng import generator

ENERGY = 10.0 * np.arange(400)
FINE = 5.0 * np.arange(800)


def line(at, counts, sigma=35.0, energy=ENERGY):
    """Expected counts per channel of a Gaussian line at ``at`` (eV)."""
    width = energy[1] - energy[0]
    return counts * width / (sigma * math.sqrt(2 * math.pi)) * np.exp(-0.5 * ((energy - at) / sigma) ** 2)


@pytest.mark.parametrize("find", [centroid, gaussian_peak])
def test_peak_position_and_its_uncertainty(find):
    """300 Poisson spectra of 500 counts: unbiased, pulls of unit width; sigma / sqrt(N) = 1.57 eV."""
    rng = generator(0, "peak", find.__name__)
    expected = line(1743, 500, energy=FINE)
    peaks = [find(FINE, rng.poisson(expected).astype(float), 1580, 1900) for _ in range(300)]
    pull = np.array([(peak.position - 1743) / peak.sigma for peak in peaks])
    assert np.mean([peak.sigma for peak in peaks]) == pytest.approx(35 / math.sqrt(500), rel=0.2)
    assert abs(pull.mean()) < 0.3
    assert pull.std() == pytest.approx(1.0, abs=0.2)
    assert min(peak.quality for peak in peaks) > 0.7


def test_a_background_does_not_pull_the_moment():
    """500 counts off the middle of the window, on a slope that holds 20 per channel: the plain moment is 20 eV off."""
    rng = generator(0, "slope")
    expected = 30 - 0.005 * ENERGY + line(1700, 500)
    peaks = [centroid(ENERGY, rng.poisson(expected).astype(float), 1580, 1900) for _ in range(300)]
    pull = np.array([(peak.position - 1700) / peak.sigma for peak in peaks])
    assert abs(pull.mean()) < 0.3
    assert pull.std() == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("level", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("decay", [math.inf, 1000.0])
def test_what_is_flat_or_sloped_is_not_significant(level, decay):
    """Of 2000 Poisson spectra without a peak, 3 standard deviations are passed at most 8 times (1 in 740)."""
    rng = generator(0, "level", str(level), str(decay))
    spectra = rng.poisson(level * np.exp((1740 - ENERGY) / decay), (2000, 400)).astype(float)
    found = np.array([significance(ENERGY, spectrum, 1690, 1790) for spectrum in spectra])
    assert (found > SIGNIFICANT).sum() <= 8
    if level >= 1 and decay == math.inf:
        assert found.mean() == pytest.approx(0, abs=0.1)
        assert found.std() == pytest.approx(1, abs=0.1)


def test_a_peak_is_significant_and_a_line_beside_the_window_is_not():
    rng = generator(0, "there")
    there = rng.poisson(1 + line(1740, 80)).astype(float)
    assert significance(ENERGY, there, 1690, 1790) > 5
    assert significance(ENERGY, rng.poisson(1 + line(1850, 80)).astype(float), 1690, 1790) < 0


def test_significance_of_an_intensity():
    """A window of 11 channels, 22 beside it: 0.5 above them over a noise of 0.1 sqrt(11 + 22 / 4)."""
    noisy = 5 + 0.1 * generator(0, "eels").normal(size=400)
    assert abs(significance(ENERGY, noisy, 1690, 1790, counting=False)) < 3
    raised = noisy + 0.5 * ((ENERGY >= 1690) & (ENERGY <= 1790))
    expected = 0.5 * 11 / (0.1 * math.sqrt(11 + 22 / 4))
    assert significance(ENERGY, raised, 1690, 1790, counting=False) == pytest.approx(expected, abs=4)
    exact = line(1740, 1.0)
    assert centroid(ENERGY, exact, 1580, 1900, counting=False).quality > 0.99


@pytest.mark.parametrize("find", [centroid, gaussian_peak])
def test_a_spectrum_that_ends_with_the_window_is_judged_by_its_outer_quarters(find):
    rng = generator(0, "ends")
    inside = (ENERGY >= 1580) & (ENERGY <= 1900)
    there = find(ENERGY[inside], rng.poisson(5 + line(1743, 300))[inside].astype(float), 1580, 1900)
    assert there.position == pytest.approx(1743, abs=4 * there.sigma)
    assert there.quality > 0.5
    flat = find(ENERGY[inside], rng.poisson(5, 400)[inside].astype(float), 1580, 1900)
    assert not flat.quality >= 0.25


@pytest.mark.parametrize("side", [slice(0, 30), slice(-30, None)])
def test_one_flank_is_enough(side):
    energy = ENERGY[side]
    low, high = (energy[0], energy[14]) if side.start == 0 else (energy[-15], energy[-1])
    counts = generator(0, "side").poisson(2 + np.where((energy >= low) & (energy <= high), 10, 0)).astype(float)
    assert significance(energy, counts, low, high) > SIGNIFICANT


@pytest.mark.parametrize("counts", [50.0, 5e6])
def test_nothing_is_known_better_than_a_channel(counts):
    """A window of one channel, and a line of millions of counts: 10 eV / sqrt(12)."""
    one = centroid(ENERGY, line(1740, counts), 1735, 1745)
    assert (one.position, one.sigma) == (1740.0, pytest.approx(10 / math.sqrt(12)))
    wide = centroid(ENERGY, line(1740, counts), 1580, 1900)
    assert wide.sigma >= 10 / math.sqrt(12)
    assert gaussian_peak(ENERGY, line(1740, counts), 1580, 1900).sigma >= 10 / math.sqrt(12)


def test_less_than_beside_is_somewhere_in_the_window():
    dip = np.where((ENERGY >= 1690) & (ENERGY <= 1790), 1.0, 5.0)
    assert centroid(ENERGY, dip, 1690, 1790) == (1740.0, pytest.approx(100 / math.sqrt(12)), 0.0)


@pytest.mark.parametrize("find", [centroid, gaussian_peak])
def test_no_peak_in_nothing(find):
    peak = find(ENERGY, np.zeros(400), 1600, 1800)
    assert math.isnan(peak.position)
    assert peak.quality == 0


def test_gaussian_needs_channels():
    with pytest.raises(DataError, match="6 channels"):
        gaussian_peak(ENERGY, np.arange(400.0), 1700, 1730)
