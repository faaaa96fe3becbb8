"""How much each candidate is worth measuring next: formulas on what an agent believes.

Every function takes arrays over candidates and returns an array of the same shape whose
largest entry comes first. Means are such that larger is better; an agent that minimises
turns the sign before it asks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import erfcx, ndtr

from ..core.blas import one_thread

Array = NDArray[np.float64]

_LOG_2PI = float(np.log(2 * np.pi))
_FAR = -1e6  # below, log(1 - exp(w)) of the tail formula is only rounding


def log_h(u: Array) -> Array:
    """Return log(phi(u) + u Phi(u)) without cancellation, for any u.

    Ament et al., Unexpected Improvements to Expected Improvement for Bayesian Optimization
    (2023), equation 9 and appendix A.1, doi:10.48550/arXiv.2310.20708.
    """
    near = np.maximum(u, -1.0)
    direct = np.log(np.exp(-0.5 * near**2 - 0.5 * _LOG_2PI) + near * ndtr(near))
    far = np.minimum(u, -1.0)
    inner = np.maximum(far, _FAR)
    # |u| Phi(u) / phi(u), which tends to 1 from below
    ratio = erfcx(-inner / np.sqrt(2)) * np.abs(inner) * np.sqrt(np.pi / 2)
    bracket = np.where(far > _FAR, np.log1p(-np.minimum(ratio, 1 - 1e-16)), -2 * np.log(-far))
    return np.where(u > -1.0, direct, -0.5 * far**2 - 0.5 * _LOG_2PI + bracket)


def log_ei(mean: Array, std: Array, incumbent: float) -> Array:
    """Logarithm of the expected improvement, log(s h((m - f) / s)).

    Expected improvement: Jones, Schonlau & Welch, J. Glob. Optim. 13, 455 (1998),
    doi:10.1023/A:1008306431147. Under noise the incumbent f is the best posterior mean at
    measured points, not the luckiest outcome: Picheny, Wagner & Ginsbourger, Struct.
    Multidisc. Optim. 48, 607 (2013), doi:10.1007/s00158-013-0919-4.

    Parameters
    ----------
    mean, std : ndarray, shape (candidate,)
        Belief about the objective itself, without measurement noise.
    incumbent : float
        Best posterior mean at measured points.
    """
    return np.log(std) + log_h((mean - incumbent) / std)


def ucb(mean: Array, std: Array, beta: float) -> Array:
    """Upper confidence bound m + beta s.

    Srinivas, Krause, Kakade & Seeger, IEEE Trans. Inf. Theory 58, 3250 (2012),
    doi:10.1109/TIT.2011.2182033 (there the factor is written as the square root of beta).
    """
    return mean + beta * std


def max_variance(std: Array) -> Array:
    """Posterior standard deviation: measure where least is known.

    MacKay, Neural Comput. 4, 590 (1992), doi:10.1162/neco.1992.4.4.590.
    """
    return std


def integrated_variance(covariance: Array, variance: Array, noise_variance: float) -> Array:
    """How much one more measurement lowers the mean variance over reference candidates.

    Measuring x lowers the variance at r by cov(x, r)^2 / (var(x) + noise). Seo et al., Proc.
    IJCNN 3, 241 (2000), doi:10.1109/IJCNN.2000.861310, equation 8; Cohn, Neural Netw. 9, 1071
    (1996), doi:10.1016/0893-6080(95)00137-9.

    Parameters
    ----------
    covariance : ndarray, shape (candidate, reference)
        Posterior covariance of candidates and references.
    variance : ndarray, shape (candidate,)
        Posterior variance, without what no measurement resolves.
    noise_variance : float
        Variance that one measurement adds, in the squared unit of the objective.
    """
    largest = float(variance.max())
    if not largest:
        return np.zeros(len(variance))
    # A power of two, which rounds nothing, is divided out: squares of very large outcomes would overflow.
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1)
    return np.mean((covariance / unit) ** 2, axis=1) / ((variance + noise_variance) / unit) * unit


@one_thread
def thompson(mean: Array, variance: Array, covariance: Array, anchors: NDArray[np.int64], normal: Array) -> Array:
    """One draw from the posterior: joint over some anchors, and given those at each other candidate.

    Every candidate has its whole posterior variance; what two candidates share beyond the anchors
    is left out, so that the cost is linear in their number. Thompson, Biometrika 25, 285 (1933),
    doi:10.1093/biomet/25.3-4.285; conditioning on a subset: Quinonero-Candela & Rasmussen, J. Mach.
    Learn. Res. 6, 1939 (2005), section 6 (fully independent conditional).

    Parameters
    ----------
    mean, variance : ndarray, shape (candidate,)
        Of the posterior.
    covariance : ndarray, shape (candidate, anchor)
        Posterior covariance of candidates and anchors.
    anchors : ndarray of int, shape (anchor,)
        Candidates that are drawn jointly.
    normal : ndarray, shape (anchor + candidate,)
        Standard normal numbers, which make the draw.
    """
    values, vectors = np.linalg.eigh(covariance[anchors])
    kept = values > 1e-9 * values[-1]
    loading = covariance @ (vectors[:, kept] / np.sqrt(values[kept]))
    left = np.maximum(variance - np.sum(loading**2, axis=1), 0.0)
    left[anchors] = 0.0
    return mean + loading @ normal[: len(anchors)][kept] + np.sqrt(left) * normal[len(anchors) :]


def straddle(mean: Array, std: Array, threshold: float) -> Array:
    """Straddle score 1.96 s - |m - t|: large where the side of the threshold is in doubt.

    Bryan et al., Active learning for identifying function threshold boundaries, Adv. Neural
    Inf. Process. Syst. 18, 163 (2005); Gotovos, Casati, Hitz & Krause, Proc. IJCAI, 1344 (2013).
    """
    return 1.96 * std - np.abs(mean - threshold)


def novelty(draw: Array, outcomes: Array, neighbours: int) -> Array:
    """Mean distance of a posterior draw from the nearest outcomes seen so far.

    Novelty search with a Gaussian process: Tang, Jiao, Chen & Paulson, BEACON (2024),
    doi:10.48550/arXiv.2406.03616.

    Parameters
    ----------
    draw : ndarray, shape (candidate,)
        One draw of the objective at the candidates.
    outcomes : ndarray, shape (outcome,)
        Outcomes so far, same unit.
    neighbours : int
        How many nearest outcomes count.
    """
    count = min(neighbours, len(outcomes))
    nearest, _ = KDTree(outcomes[:, None]).query(draw[:, None], k=count, p=1)
    return np.reshape(nearest, (len(draw), count)).mean(axis=1)


def farthest(coordinates: Array, used: NDArray[np.int64]) -> Array:
    """Distance of each candidate from the nearest one in use: the sequential maximin design; 0 before the first.

    Johnson, Moore & Ylvisaker, J. Stat. Plan. Inference 26, 131 (1990),
    doi:10.1016/0378-3758(90)90122-B.

    Parameters
    ----------
    coordinates : ndarray, shape (candidate, dof)
        Without unit.
    used : ndarray of int, shape (used,)
        Candidates that were suggested or measured.
    """
    return KDTree(coordinates[used]).query(coordinates)[0] if len(used) else np.zeros(len(coordinates))
