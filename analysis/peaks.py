"""Where the one peak in a window is, and whether there is one. Energies in eV.

The level beside the window, in flanks as wide as the window itself, says what the window would
hold without a peak. What is not above it is no peak, however well a first moment is determined.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from ..core.errors import DataError
from .spectra import Array, spectrum_noise, window_mask

# At this significance the quality is one quarter. Chosen on simulated spectra without a peak (flat
# and sloped, 0.003 to 1000 counts per channel): at most 1 in 400 is above it; of peaks of 20
# counts over 0.3 per channel, 5 in 6 are.
SIGNIFICANT = 3.0


class PeakEstimate(NamedTuple):
    """A peak: position and its standard uncertainty (eV), and quality from 0 to 1; NaN when there is none."""

    position: float
    sigma: float
    quality: float


class _Window(NamedTuple):
    """Channels that are judged, by mask, shape (energy,) each: the window and the flanks beside it."""

    inside: NDArray[np.bool_]
    left: NDArray[np.bool_]
    right: NDArray[np.bool_]


_NO_PEAK = PeakEstimate(math.nan, math.nan, 0.0)


def centroid(energy: Array, spectrum: Array, low: float, high: float, *, counting: bool = True) -> PeakEstimate:
    """Return the first moment ``sum(E N) / sum(N)`` of what a window holds above the level of its flanks.

    The level is a straight line between the means of both flanks. The uncertainty is that of the
    ratio to first order, with ``var(I) = I`` when counting, and never below that of a channel, its
    width over ``sqrt(12)``. The quality is that of :func:`significance`. Where nothing is above the
    level, the middle of the window is returned with the uncertainty of the window, and quality 0.

    Parameters
    ----------
    energy, spectrum : ndarray, shape (energy,)
        Ascending channel centres (eV), and counts or an intensity.
    low, high : float
        Window (eV) around one peak, both ends included.
    counting : bool
        Whether the spectrum holds counts.

    Returns
    -------
    PeakEstimate
        NaN when the window holds nothing at all.

    Raises
    ------
    DataError
        When no channel lies in the window.
    """
    window = _window(energy, low, high)
    if not spectrum[window.inside].any():
        return _NO_PEAK
    at = energy[window.inside]
    net = _net(energy, window)
    total = float(net.sum(axis=0) @ spectrum)
    position = float(at @ net @ spectrum) / total if total > 0 else math.nan
    if not at[0] <= position <= at[-1]:
        return PeakEstimate((low + high) / 2, _uniform(high - low), 0.0)
    variance = spectrum if counting else np.full(len(energy), spectrum_noise(spectrum) ** 2)
    sigma = math.sqrt(float(((at - position) @ net) ** 2 @ variance)) / total
    quality = _quality(_significance(spectrum, window, counting))
    return PeakEstimate(position, max(sigma, _uniform(_channel(energy))), quality)


def gaussian_peak(energy: Array, spectrum: Array, low: float, high: float, *, counting: bool = True) -> PeakEstimate:
    """Fit a Gaussian on a constant background to a window by least squares.

    The quality is that of :func:`significance`, or R^2 of the fit where that is less.

    Parameters
    ----------
    energy, spectrum : ndarray, shape (energy,)
        Ascending channel centres (eV), and counts or an intensity.
    low, high : float
        Window (eV) around one peak, both ends included; at least 6 channels.
    counting : bool
        Whether the spectrum holds counts: each channel then weighs with ``1 / max(N, 1)``.

    Returns
    -------
    PeakEstimate
        NaN when the fit finds no peak inside the window. The uncertainty is at least that of a
        channel, its width over ``sqrt(12)``.

    Raises
    ------
    DataError
        With fewer than 6 channels.
    """
    window = _window(energy, low, high)
    inside = window_mask(energy, low, high)
    if inside.sum() < 6:
        raise DataError(f"a Gaussian fit needs 6 channels, the window holds {inside.sum()}; widen it")
    position, sigma, explained = _fit(energy[inside], spectrum[inside], counting)
    if not math.isfinite(position):
        return _NO_PEAK
    quality = min(explained, _quality(_significance(spectrum, window, counting)))
    return PeakEstimate(position, max(sigma, _uniform(_channel(energy))), quality)


def significance(energy: Array, spectrum: Array, low: float, high: float, *, counting: bool = True) -> float:
    """Return by how many standard deviations a window holds more than its flanks let expect, negative for less.

    For counts, equation 17 of Li and Ma 1983 (doi:10.1086/161295), valid down to a few counts; for an
    intensity, the excess over its noise. The flanks lie on both sides, each as wide as the window as far
    as the spectrum reaches; where it reaches no farther than the window, the outer quarters of the window
    serve. NaN where there is nothing to compare with.

    Parameters
    ----------
    energy, spectrum : ndarray, shape (energy,)
        Ascending channel centres (eV), and counts or an intensity.
    low, high : float
        Window (eV), both ends included.
    counting : bool
        Whether the spectrum holds counts.

    Raises
    ------
    DataError
        When no channel lies in the window.
    """
    return _significance(spectrum, _window(energy, low, high), counting)


def _significance(spectrum: Array, window: _Window, counting: bool) -> float:
    beside = window.left | window.right
    if not beside.any():
        return math.nan
    on, off = float(spectrum[window.inside].sum()), float(spectrum[beside].sum())
    ratio = float(window.inside.sum() / beside.sum())
    excess = on - ratio * off
    if not counting:
        noise = spectrum_noise(spectrum) * math.sqrt(window.inside.sum() + ratio**2 * beside.sum())
        return excess / noise if noise else math.copysign(math.inf, excess) if excess else 0.0
    if on + off == 0:
        return 0.0
    likelihood = xlogy(on, (1 + ratio) / ratio * on / (on + off)) + xlogy(off, (1 + ratio) * off / (on + off))
    return math.copysign(math.sqrt(max(2 * float(likelihood), 0.0)), excess)


def _quality(deviations: float) -> float:
    """Return a quality from 0 to 1 that is one quarter at :data:`SIGNIFICANT` standard deviations."""
    if not deviations > 0:
        return 0.0
    return 1 / (1 + 3 * (SIGNIFICANT / deviations) ** 2)


def _window(energy: Array, low: float, high: float) -> _Window:
    inside = window_mask(energy, low, high)
    first, last = (int(i) for i in np.flatnonzero(inside)[[0, -1]])
    width = last - first + 1
    index = np.arange(len(energy))
    left, right = (index >= first - width) & (index < first), (index > last) & (index <= last + width)
    if not (left | right).any():
        quarter = width // 4
        left, right = inside & (index < first + quarter), inside & (index > last - quarter)
    return _Window(inside & ~left & ~right, left, right)


def _net(energy: Array, window: _Window) -> Array:
    """Return the weights of a spectrum in the net content of each channel of the window, shape (inside, energy)."""
    at = np.flatnonzero(window.inside)
    weights = np.zeros((len(at), len(energy)))
    weights[np.arange(len(at)), at] = 1
    means: list[Array] = [flank / flank.sum() for flank in (window.left, window.right) if flank.any()]
    if len(means) == 2:
        left, right = (float(energy @ mean) for mean in means)
        share = (energy[at] - left) / (right - left)
        weights -= np.outer(1 - share, means[0]) + np.outer(share, means[1])
    elif means:
        weights -= means[0]
    return weights


def _fit(energy: Array, spectrum: Array, counting: bool) -> tuple[float, float, float]:
    """Return position and its uncertainty (eV), NaN without a peak inside, and R^2."""
    from scipy.optimize import least_squares

    span, top = float(np.ptp(energy)), float(np.ptp(spectrum))
    if top == 0:
        return math.nan, math.nan, 0.0
    base = float(spectrum.min())
    error = np.sqrt(np.maximum(spectrum, 1.0)) if counting else np.full(len(energy), top)
    x = (energy - energy[0]) / span

    def residual(p: Array) -> Array:
        return (base + top * (p[0] * np.exp(-0.5 * ((x - p[1]) / p[2]) ** 2) + p[3]) - spectrum) / error

    start = np.array([1.0, x[np.argmax(spectrum)], 0.2, 0.0])
    result = least_squares(residual, start, bounds=([0, 0, 1e-3, -1], [10, 1, 2, 1]))
    covariance = np.linalg.pinv(result.jac.T @ result.jac)
    reduced = 2 * result.cost / (len(energy) - 4)
    sigma = span * math.sqrt(max(covariance[1, 1], 0.0) * (max(reduced, 1.0) if counting else reduced))
    explained = 1 - float(((residual(result.x) * error) ** 2).sum()) / float(((spectrum - spectrum.mean()) ** 2).sum())
    if result.active_mask[1] or result.x[0] <= 0 or sigma == 0:
        return math.nan, math.nan, 0.0
    return float(energy[0] + span * result.x[1]), sigma, max(0.0, explained)


def _channel(energy: Array) -> float:
    """Return the width of a channel (eV); 0 for a single one, of which it is not known."""
    return float(np.median(np.abs(np.diff(energy)))) if len(energy) > 1 else 0.0


def _uniform(width: float) -> float:
    """Return the standard deviation of a uniform distribution."""
    return width / math.sqrt(12)
