"""Does a model know how sure it is? A test on predictions, made to be looked at after every outcome.

Predictions are Gaussian. If they are right, the scores ``z = (outcome - mean) / std`` are independent draws from
N(0, 1), however the places were chosen, as long as each prediction knows the outcomes before it (Rosenblatt 1952,
doi:10.1214/aoms/1177729394). Two alternatives bet against that:

* the predictions are off by a bias and a scale: ``z`` is from N(b, s^2), with a normal-inverse-gamma prior on (b, s^2),
* the mean of what was found at random places predicts just as well: Student's t with their mean and spread.

Each gives a likelihood ratio whose expectation under right predictions never grows, and so does their average, the
e-value. By Ville's inequality it ever reaches 20 with a probability of at most 5 %, however often one looks (Ramdas,
Grunwald, Vovk & Shafer 2023, doi:10.1214/23-STS894; for forecasts Arnold, Henzi & Ziegel 2023,
doi:10.1214/22-AOAS1697). The biases and scales that the same bet does not reject are a confidence region that holds at
any time too.

That nothing is rejected is no evidence of being right. So "calibrated" has an e-value of its own: the likelihood of
N(0, 1) against that of the best bias and scale outside declared bounds (universal inference: Wasserman, Ramdas &
Balakrishnan 2020, doi:10.1073/pnas.1922664117).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, lambertw

Array = NDArray[np.float64]
Verdict = Literal["calibrated", "miscalibrated", "no better than the mean", "undetermined"]

ALPHA = 0.05
SHAPE, RATE, WEIGHT = 1.5, 1.0, 2.0  # of the prior: s^2 from InvGamma(shape, rate), b from N(0, s^2 / weight)
LARGEST_SCALE, LARGEST_BIAS = 2.0, 1.0  # what still counts as calibrated
USEFUL = 0.1  # nat per audit that a model must expect to gain: as from a spread that is a tenth smaller
LEAST = 5  # audits before a model can be called no better on the ground of what it expects
_LOG_2PI = math.log(2 * math.pi)
_FAR = 1e6  # scores, whose squares and exponentials have to stay finite
_LARGEST_LOG = 700.0  # whose exponential is still a number


@dataclass(frozen=True)
class Audit:
    """A prediction, what the mean of random outcomes would have predicted, and what was found.

    Attributes
    ----------
    value : float
        The outcome.
    mean, std : float
        Gaussian prediction of it, measurement noise included, same unit.
    random : ndarray, shape (outcome,)
        Outcomes at places chosen at random that were known when it was predicted.
    """

    value: float
    mean: float
    std: float
    random: Array


@dataclass(frozen=True)
class Calibration:
    """What audits say of the predictions so far.

    Attributes
    ----------
    verdict : str
        ``"calibrated"``: every bias of ``LARGEST_BIAS`` or more and every scale that is off by a factor of
        ``LARGEST_SCALE`` or more is rejected, at 5 %. ``"miscalibrated"``: right predictions are rejected.
        ``"no better than the mean"``: they are rejected in favour of the mean; or the model itself expects to gain
        nothing on it and has not. ``"undetermined"``: none of these, yet.
    n : int
        Audits it rests on.
    e_value : float
        Evidence against right predictions: 20 is 5 %.
    e_calibrated : float
        Evidence against every bias and scale outside the bounds, likewise.
    scale, scale_low, scale_high : float
        Root mean square deviation of the scores from their mean: 1 is right, 2 means that uncertainties should have
        been twice as large; 95 % interval, valid at any time.
    bias, bias_low, bias_high : float
        Mean score, in predicted standard deviations, and its interval.
    gain : float
        Mean difference of the log scores of model and mean, in nat per audit.
    expected_gain : float
        What that would be on average if the predictions were right.
    """

    verdict: Verdict
    n: int
    e_value: float
    e_calibrated: float
    scale: float
    scale_low: float
    scale_high: float
    bias: float
    bias_low: float
    bias_high: float
    gain: float
    expected_gain: float

    @property
    def alarming(self) -> bool:
        """Whether the predictions should not be relied on."""
        return self.verdict in ("miscalibrated", "no better than the mean")


NOTHING = Calibration("undetermined", 0, 1.0, 1.0, *[math.nan] * 8)


def judge(audits: Sequence[Audit]) -> Calibration:
    """Return the verdict on audits, in the order in which they were settled; it may change with every further one."""
    scores = np.array([_score(audit) for audit in audits])
    if not len(scores):
        return NOTHING
    gains = np.array([_gain(audit) for audit in audits])
    scaled, mean = log_evidence(scores), -float(gains[:, 0].sum())
    total, inside = float(np.logaddexp(scaled, mean)) - math.log(2), log_evidence_inside(scores)
    gain, expected = gains.mean(axis=0).tolist()
    verdict: Verdict = "undetermined"
    if total >= -math.log(ALPHA):
        verdict = "miscalibrated" if scaled > mean else "no better than the mean"
    elif len(scores) >= LEAST and max(gain, expected) < USEFUL:
        verdict = "no better than the mean"
    elif inside >= -math.log(ALPHA):
        verdict = "calibrated"
    against, inside = (math.exp(min(log, _LARGEST_LOG)) for log in (total, inside))
    scales = float(scores.std()), *scale_interval(scores)
    biases = float(scores.mean()), *bias_interval(scores)
    return Calibration(verdict, len(scores), against, inside, *scales, *biases, gain, expected)


def log_evidence(scores: Array) -> float:
    """Return the log of how much likelier scores are under some bias and scale than under N(0, 1).

    The marginal likelihood of the normal-inverse-gamma model in closed form; as a function of further scores it is a
    martingale when they are from N(0, 1), starting at 0.

    Parameters
    ----------
    scores : ndarray, shape (audit,)
    """
    return _log_marginal(scores) + 0.5 * float(scores @ scores)


def log_evidence_inside(scores: Array) -> float:
    """Return the log of how much likelier scores are under N(0, 1) than under the best bias and scale out of bounds."""
    mean, spread = float(scores.mean()), max(float(scores.std()), 1e-9)
    outside = [(mean, max(spread, LARGEST_SCALE)), (mean, min(spread, 1 / LARGEST_SCALE))]
    for bias in (max(mean, LARGEST_BIAS), min(mean, -LARGEST_BIAS)):
        outside.append((bias, math.hypot(spread, mean - bias)))
    best = max(_log_likelihood(scores, bias, scale) for bias, scale in outside)
    return _log_likelihood(scores, 0.0, 1.0) - best


def scale_interval(scores: Array) -> tuple[float, float]:
    """Return the scales that some bias reconciles with the scores; the true one is among them at all times, 95 %.

    A pair (b, s) is rejected once the prior's marginal likelihood is 20 times that of the pair. For a scale, the best
    bias is the mean score; what is left, ``log u - u`` of ``u = (deviation / s)^2``, is solved by Lambert's function.
    """
    count, deviation = len(scores), float(scores.std())
    level = 2 * (_log_marginal(scores) + math.log(ALPHA)) / count
    if deviation < 1e-9:
        return 0.0, math.exp(-level / 2)
    argument = -(deviation**2) * math.exp(level)
    least, most = (float(-lambertw(max(argument, -math.exp(-1)), branch).real) for branch in (0, -1))
    return deviation / math.sqrt(most), deviation / math.sqrt(least)


def bias_interval(scores: Array) -> tuple[float, float]:
    """Return the biases that some scale reconciles with the scores; see :func:`scale_interval`."""
    level = 2 * (_log_marginal(scores) + math.log(ALPHA)) / len(scores)
    half = math.sqrt(max(math.exp(-level - 1) - float(scores.var()), 0.0))
    return float(scores.mean()) - half, float(scores.mean()) + half


def _log_likelihood(scores: Array, bias: float, scale: float) -> float:
    """Return the log likelihood of N(bias, scale^2), without the factor (2 pi)^(-n/2)."""
    return -len(scores) * math.log(scale) - 0.5 * float(np.sum((scores - bias) ** 2)) / scale**2


def _log_marginal(scores: Array) -> float:
    """Return the log marginal likelihood of scores, without the factor (2 pi)^(-n/2)."""
    count = len(scores)
    weight, shape = WEIGHT + count, SHAPE + count / 2
    rate = RATE + 0.5 * (float(scores @ scores) - float(scores.sum()) ** 2 / weight)
    known = SHAPE * math.log(RATE) - float(gammaln(SHAPE)) + 0.5 * math.log(WEIGHT)
    return known + float(gammaln(shape)) - shape * math.log(rate) - 0.5 * math.log(weight)


def _score(audit: Audit) -> float:
    """Return by how many predicted standard deviations an outcome is off; beyond a million it is as good as that."""
    return min(max((audit.value - audit.mean) / audit.std, -_FAR), _FAR)


def _gain(audit: Audit) -> tuple[float, float]:
    """Return by how much the model's log score exceeds the mean's (nat), and what it expected of that.

    Nothing where fewer than two random outcomes, or only equal ones, were known: then there is no mean to compare with.
    """
    known = audit.random
    spread = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    if not spread > 0:
        return 0.0, 0.0
    freedom, center = len(known) - 1, float(known.mean())
    width = spread * math.sqrt(1 + 1 / len(known))
    norm = float(gammaln((freedom + 1) / 2) - gammaln(freedom / 2)) - 0.5 * math.log(freedom * math.pi * width**2)

    def difference(score: Array) -> Array:
        away = (audit.mean + audit.std * score - center) / width
        mine = -0.5 * score**2 - 0.5 * _LOG_2PI - math.log(audit.std)
        return mine - norm + (freedom + 1) / 2 * np.log1p(away**2 / freedom)

    found = difference(np.array([_score(audit)]))
    return float(found[0]), float(_WEIGHTS @ difference(_NODES))


_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def audits_of(
    predictions: Mapping[Any, Mapping[str, Any]], outcomes: Sequence[tuple[Any, float, float]]
) -> list[Audit]:
    """Return the audits among decisions, those that the test may use.

    An audit counts when its prediction knew the outcome of the one before it: else their scores are not independent.

    Parameters
    ----------
    predictions : mapping
        Number of a decision -> what was known before it was measured: ``source``, ``mean``, ``std``, ``noise`` and
        ``n_seen``, as in the record.
    outcomes : sequence of (number, value, sigma)
        Everything that gave a value, in the order in which it was learned; of external points too, whose number is not
        among the predictions. An unknown sigma is NaN.
    """
    return list(_audits(predictions, outcomes))


def _audits(
    predictions: Mapping[Any, Mapping[str, Any]], outcomes: Sequence[tuple[Any, float, float]]
) -> Iterator[Audit]:
    random: list[tuple[int, float]] = []  # place among the outcomes, value
    last = -1
    for place, (number, value, sigma) in enumerate(outcomes):
        # An external point may bear anything as its number, and one that is given to a decision only later.
        told = predictions.get(number) if type(number) is int else None
        if told is None or told["source"] not in ("seed", "audit") or place < told["n_seen"]:
            continue
        std = math.hypot(told["std"], told["noise"], sigma if math.isfinite(sigma) else 0.0)
        if told["source"] == "audit" and last < told["n_seen"] and math.isfinite(std) and std > 0:
            known = np.array([found for when, found in random if when < told["n_seen"]])
            yield Audit(value, told["mean"], std, known)
            last = place
        random.append((place, value))
