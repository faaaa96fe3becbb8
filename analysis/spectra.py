"""Spectra over an energy axis: windows, peaks, X-ray lines. Energies in eV."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UnknownNameError

Array = NDArray[np.float64]

_FWHM = 2 * math.sqrt(2 * math.log(2))  # FWHM of a Gaussian of unit standard deviation
_MN_KA_EV = 5898.75

# Strongest line of each series (alpha 1), eV: Bearden 1967, doi:10.1103/RevModPhys.39.78.
LINES_EV: dict[str, float] = {
    "C_Ka": 277.0,
    "N_Ka": 392.4,
    "O_Ka": 524.9,
    "Na_Ka": 1040.98,
    "Mg_Ka": 1253.60,
    "Al_Ka": 1486.70,
    "Si_Ka": 1739.98,
    "P_Ka": 2013.7,
    "S_Ka": 2307.84,
    "K_Ka": 3313.8,
    "Ca_Ka": 3691.68,
    "Ti_Ka": 4510.84,
    "V_Ka": 4952.20,
    "Cr_Ka": 5414.72,
    "Mn_Ka": _MN_KA_EV,
    "Fe_Ka": 6403.84,
    "Co_Ka": 6930.32,
    "Ni_Ka": 7478.15,
    "Cu_Ka": 8047.78,
    "Zn_Ka": 8638.86,
    "Pt_Ma": 2050.5,
    "Pt_La": 9442.3,
    "Au_Ma": 2122.9,
    "Au_La": 9713.3,
}


class Peak(NamedTuple):
    """A peak found by :func:`find_peaks`: position (eV), net height and its signal to noise."""

    position: float
    height: float
    snr: float


def line_energy(line: str) -> float:
    """Return the energy (eV) of an X-ray line such as ``"Si_Ka"``.

    Raises
    ------
    UnknownNameError
        When the line is not in ``LINES_EV``.
    """
    if line not in LINES_EV:
        raise UnknownNameError("X-ray line", line, LINES_EV)
    return LINES_EV[line]


def line_window(line: str, resolution_ev: float = 130.0) -> tuple[float, float]:
    """Return a window (eV) one FWHM wide around an X-ray line.

    ``FWHM(E)^2 = FWHM(Mn Ka)^2 + 2.5 eV (E - E(Mn Ka))``: the statistics of charge carriers
    in silicon (Goldstein et al. 2018, Scanning Electron Microscopy and X-Ray Microanalysis,
    doi:10.1007/978-1-4939-6676-9).

    Parameters
    ----------
    line : str
        Name in ``LINES_EV``.
    resolution_ev : float
        FWHM of the detector at Mn Ka (eV).
    """
    energy = line_energy(line)
    width = math.sqrt(max(resolution_ev**2 + 2.5 * (energy - _MN_KA_EV), 1.0))
    return energy - width / 2, energy + width / 2


def window_mask(energy: Array, low: float, high: float) -> NDArray[np.bool_]:
    """Return which channels have their centre in ``[low, high]``, shape (energy,).

    Both ends count; a thousandth of a channel is forgiven, as energies are computed.

    Raises
    ------
    DataError
        When no channel lies inside.
    """
    slack = 1e-3 * abs(float(energy[1] - energy[0])) if len(energy) > 1 else 0.0
    mask = (energy >= low - slack) & (energy <= high + slack)
    if not mask.any():
        raise DataError(
            f"no channel lies in {low:g} to {high:g} eV; the spectrum reaches from {energy.min():g} to "
            f"{energy.max():g} eV"
        )
    return mask


def spectrum_noise(spectrum: Array) -> float:
    """Return the standard deviation of white noise on a spectrum, from median absolute second differences.

    See Gasser, Sroka and Jennen-Steinmetz 1986, doi:10.1093/biomet/73.3.625. NaN below 3 channels.
    """
    if len(spectrum) < 3:
        return math.nan
    return float(np.median(np.abs(np.diff(spectrum, 2)))) / (0.674490 * math.sqrt(6))


def window_sum(
    energy: Array,
    spectrum: Array,
    low: float,
    high: float,
    *,
    counting: bool = True,
    background: Literal["none", "linear"] = "none",
) -> tuple[float, float]:
    """Return the sum over a window and its standard uncertainty, in the unit of the spectrum.

    Parameters
    ----------
    energy, spectrum : ndarray, shape (energy,)
        Channel centres (eV), and counts or an intensity.
    low, high : float
        Window (eV), both ends included.
    counting : bool
        Whether the spectrum holds counts: the uncertainty is then ``sqrt(N)``, and 1 for
        ``N = 0``; else it follows from :func:`spectrum_noise`.
    background : {"none", "linear"}
        With ``"linear"``, subtract the level of two adjacent flanks, each half as wide.

    Raises
    ------
    DataError
        When window or flanks hold no channel.
    """
    mask = window_mask(energy, low, high)
    weights = mask.astype(float)
    if background == "linear":
        for start, stop in ((low - (high - low) / 2, low), (high, high + (high - low) / 2)):
            flank = window_mask(energy, start, stop) & ~mask
            if not flank.any():
                raise DataError(f"no channel is left for the background in {start:g} to {stop:g} eV; widen the window")
            weights[flank] -= mask.sum() / 2 / flank.sum()
    value = float(spectrum @ weights)
    if counting:
        return value, math.sqrt(max(float(spectrum @ weights**2), 1.0))
    return value, spectrum_noise(spectrum) * math.sqrt(float(weights @ weights))


def find_peaks(energy: Array, spectrum: Array, *, width_ev: float = 130.0, snr: float = 5.0) -> list[Peak]:
    """Return the peaks of a spectrum of counts, by ascending energy.

    The matched filter of a Gaussian less its mean, so that a linear background gives zero; its
    Poisson noise is computed from the counts.

    Parameters
    ----------
    energy, spectrum : ndarray, shape (energy,)
        Equidistant channel centres (eV) and counts.
    width_ev : float
        FWHM of a line (eV).
    snr : float
        Smallest signal to noise.

    Raises
    ------
    DataError
        When the spectrum is shorter than the filter.
    """
    from scipy.signal import find_peaks as local_maxima

    sigma = width_ev / _FWHM / abs(float(energy[1] - energy[0]))
    half = max(2, math.ceil(3 * sigma))
    if len(energy) < 2 * half + 1:
        raise DataError(f"{len(energy)} channels are too few for lines {width_ev:g} eV wide")
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    kernel -= kernel.mean()
    kernel /= float(np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2) @ kernel)
    padded = np.pad(spectrum.astype(float), half, mode="edge")
    height = np.convolve(padded, kernel[::-1], mode="valid")
    noise = np.sqrt(np.maximum(np.convolve(padded, kernel[::-1] ** 2, mode="valid"), float(kernel @ kernel)))
    at, _ = local_maxima(height / noise, height=snr)
    return [Peak(float(energy[i]), float(height[i]), float(height[i] / noise[i])) for i in at]
