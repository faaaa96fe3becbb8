"""Statistics of paired comparisons, one pair per seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import SpecError

Array = NDArray[np.float64]
_RESAMPLES = 9999


class Interval(NamedTuple):
    """Confidence interval of the mean paired difference ``a - b``, in the unit of ``a``, of ``n`` pairs."""

    mean_difference: float
    low: float
    high: float
    n: int


def paired_interval(
    a: ArrayLike, b: ArrayLike, confidence: float = 0.95, *, rng: np.random.Generator | None = None
) -> Interval:
    """Return the mean of ``a - b`` with its confidence interval.

    With ``rng`` by the bias-corrected and accelerated bootstrap (Efron 1987,
    doi:10.1080/01621459.1987.10478410, 9999 resamples), which assumes no distribution; without
    it by Student's t. Differences that are all equal have an interval of no width.

    Parameters
    ----------
    a, b : array_like, shape (pair,)
        Scores of two methods on the same seeds, in the same order.
    confidence : float
        Between 0 and 1.
    rng : Generator, optional
        Draws the resamples.

    Raises
    ------
    SpecError
        When the shapes differ, there are fewer than 2 pairs, a score is not finite, or the confidence
        is out of range.
    """
    from scipy import stats

    if not 0 < confidence < 1:
        raise SpecError(f"confidence = {confidence} must lie between 0 and 1, for example 0.95")
    difference = _differences(a, b)
    mean, n = float(difference.mean()), len(difference)
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return Interval(mean, mean, mean, n)
    if rng is None:
        half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * difference.std(ddof=1)) / math.sqrt(n)
        return Interval(mean, mean - half, mean + half, n)
    found = stats.bootstrap(
        (difference,), np.mean, confidence_level=confidence, n_resamples=_RESAMPLES, method="BCa", rng=rng
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), n)


def wilcoxon_p(a: ArrayLike, b: ArrayLike) -> float:
    """Return the two-sided p value of the signed-rank test that ``a - b`` is symmetric about 0.

    Wilcoxon 1945, doi:10.2307/3001968; 1 when no pair differs.

    Parameters
    ----------
    a, b : array_like, shape (pair,)
        Scores of two methods on the same seeds, in the same order.

    Raises
    ------
    SpecError
        As :func:`paired_interval`.
    """
    from scipy import stats

    difference = _differences(a, b)
    if not difference.any():
        return 1.0
    return float(np.asarray(stats.wilcoxon(difference))[1])


def holm(p_values: Sequence[float] | Array) -> Array:
    """Return p values adjusted for testing all of them together, shape (test,), in the order given.

    The i-th smallest of m becomes the largest of ``(m - j + 1) p_(j)`` over ``j <= i``, at most 1:
    rejecting where it is below alpha keeps the chance of any false rejection below alpha
    (Holm 1979, Scandinavian Journal of Statistics 6, 65-70).

    Raises
    ------
    SpecError
        When a value is not between 0 and 1.
    """
    p = np.asarray(p_values, float)
    if not ((p >= 0) & (p <= 1)).all():
        raise SpecError(f"p values lie between 0 and 1, got {p.tolist()}")
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def _differences(a: ArrayLike, b: ArrayLike) -> Array:
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise SpecError(f"paired scores need two lists of one length, at least 2; got shapes {a.shape} and {b.shape}")
    difference = a - b
    if not np.isfinite(difference).all():
        raise SpecError("a score is not finite; decide beforehand how a failed run counts")
    return difference
