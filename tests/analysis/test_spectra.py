"""Spectra: windows, peaks and lines against known counts and energies."""

from __future__ import annotations

import math

import h5py
import numpy as np
import pytest

from probeline.analysis.spectra import (
    find_peaks,
    line_energy,
    line_window,
    spectrum_noise,
    window_mask,
    window_sum,
)
from probeline.core.errors import DataError, UnknownNameError
from probeline.core.paths import data_folder
from probeline.core.rng import generator

ENERGY = 10.0 * np.arange(400)


def line(energy, counts, sigma=35.0):
    """Expected counts per channel of a Gaussian line."""
    return counts * 10.0 / (sigma * math.sqrt(2 * math.pi)) * np.exp(-0.5 * ((ENERGY - energy) / sigma) ** 2)


@pytest.fixture(scope="module")
def silica():
    """Sum spectrum of a 128 x 128 map of SiO2 spheres: energy (eV), counts."""
    try:
        path = data_folder("stem-eds-particles") / "SiO2_EDS_Spectrum_Image.hspy"
    except DataError as error:
        pytest.skip(str(error))
    with h5py.File(path) as file:
        counts = file["Experiments/EDS Spectrum Image/data"][()].sum(axis=(0, 1), dtype=float)
    return 10.0 * np.arange(len(counts)), counts


def test_silicon_in_a_measured_map(silica):
    """Si K alpha, 1.69 to 1.79 keV, holds 198 784 of 823 049 counts."""
    energy, counts = silica
    assert counts.sum() == 823_049
    value, sigma = window_sum(energy, counts, 1690, 1790)
    assert value == 198_784
    assert sigma == pytest.approx(math.sqrt(198_784))


def test_lines_in_a_measured_map(silica):
    """O, Si and Cu K alpha stand out; this detector's scale is off by 40 eV, the same for all within a channel."""
    positions = np.array([peak.position for peak in find_peaks(*silica, snr=20)])
    for name in ("O_Ka", "Si_Ka", "Cu_Ka"):
        error = positions - line_energy(name)
        assert error[np.argmin(np.abs(error))] == pytest.approx(40, abs=10)


def test_window_includes_both_ends():
    assert ENERGY[window_mask(ENERGY, 1690, 1790)].tolist() == [1690.0 + 10 * k for k in range(11)]
    assert window_mask(0.1 * np.arange(10), 0.3, 0.3).sum() == 1  # 0.1 * 3 is not 0.3
    with pytest.raises(DataError, match="no channel lies in 5000 to 6000 eV"):
        window_mask(ENERGY, 5000, 6000)


def test_empty_window_has_sigma_one():
    assert window_sum(ENERGY, np.zeros(400), 1690, 1790) == (0.0, 1.0)


def test_linear_background_is_subtracted():
    """A line of 1000 counts on a slope; sigma counts the window and a quarter of it per flank."""
    slope = 100 - 0.02 * ENERGY
    spectrum = slope + line(1740, 1000)
    value, sigma = window_sum(ENERGY, spectrum, 1600, 1880, background="linear")
    assert value == pytest.approx(1000, rel=2e-3)
    assert sigma > math.sqrt(window_sum(ENERGY, spectrum, 1600, 1880)[0])


def test_noise_of_an_intensity():
    noise = generator(0, "intensity").normal(scale=3.0, size=2000)
    assert spectrum_noise(noise + 1e-3 * np.arange(2000)) == pytest.approx(3.0, rel=0.1)
    assert window_sum(10.0 * np.arange(2000), noise, 0, 990, counting=False)[1] == pytest.approx(30, rel=0.1)
    assert math.isnan(spectrum_noise(np.zeros(2)))


def test_line_energies_and_windows():
    """Width at Si K alpha for 130 eV at Mn K alpha: sqrt(130^2 - 2.5 * 4158.77) = 80.64 eV."""
    low, high = line_window("Si_Ka")
    assert (low + high) / 2 == pytest.approx(1739.98)
    assert high - low == pytest.approx(80.64, abs=0.01)
    with pytest.raises(UnknownNameError, match="Did you mean 'Si_Ka'"):
        line_energy("Si_KA")


def test_peaks_of_a_background_are_not_found():
    """A steep Poisson background without lines shows no peak above 5 sigma; a line on it is found."""
    rng = generator(0, "background")
    background = 200 * np.exp(-ENERGY / 1000)
    assert find_peaks(ENERGY, rng.poisson(background).astype(float), width_ev=82) == []
    found = find_peaks(ENERGY, rng.poisson(background + line(1740, 1500)).astype(float), width_ev=82)
    assert [peak.position for peak in found] == pytest.approx([1740], abs=20)
    with pytest.raises(DataError, match="too few"):
        find_peaks(ENERGY[:10], np.zeros(10))
