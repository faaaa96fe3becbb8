"""The sequential test of predictions: what it promises, and that it sees what it should."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from probeline.analysis import calibration
from probeline.analysis.calibration import (
    Audit,
    audits_of,
    bias_interval,
    judge,
    log_evidence,
    log_evidence_inside,
    scale_interval,
)

RANDOM = np.random.default_rng(7).normal(0.0, 3.0, 12)  # outcomes at random places, of much larger spread
STARTS = ([], [0.3], [-1.2, 2.5], [0.1, 0.0, -0.2, 0.1])


def audits(scores, random=RANDOM):
    return [Audit(2.0 + 0.5 * score, 2.0, 0.5, random) for score in scores]


def evidence(scores):
    return judge(audits(scores)).e_value if len(scores) else 1.0


def scores_of(bias, scale, count, seed):
    return bias + scale * np.random.default_rng(seed).standard_normal(count)


@pytest.mark.parametrize("start", STARTS)
def test_the_evidence_against_right_predictions_is_not_expected_to_grow(start):
    def weighted(score):
        return evidence([*start, score]) * stats.norm.pdf(score)

    expected, _ = integrate.quad(weighted, -30, 30, points=(-3, 0, 3), limit=200)
    assert expected == pytest.approx(evidence(start), rel=1e-3)  # tails of Student's t lie beyond


@pytest.mark.parametrize(("bias", "scale"), [(0.0, 2.0), (0.4, 0.5), (1.0, 0.8), (-1.5, 1.0)])
@pytest.mark.parametrize("start", STARTS[1:])
def test_the_evidence_for_calibration_is_not_expected_to_grow_when_it_is_bad(bias, scale, start):
    def weighted(score):
        found = math.exp(log_evidence_inside(np.array([*start, score])))
        return found * stats.norm.pdf(score, bias, scale)

    likelihoods = [stats.norm(*place).pdf(start).prod() for place in ((0, 1), (bias, scale))]
    expected, _ = integrate.quad(weighted, -30, 30, points=(-3, 0, 3), limit=200)
    assert expected <= likelihoods[0] / likelihoods[1] * (1 + 1e-6)


@pytest.mark.parametrize("scores", [[1.0], [0.2, -0.5], [2.0, 1.5, 0.1, -3.0]])
def test_the_evidence_is_the_likelihood_averaged_over_the_prior(scores):
    """The closed form against the integral over bias and scale."""
    log_variance, bias = np.meshgrid(np.linspace(-8, 9, 500), np.linspace(-15, 15, 601))
    variance = np.exp(log_variance)
    prior = stats.invgamma.pdf(variance, calibration.SHAPE, scale=calibration.RATE) * variance
    prior *= stats.norm.pdf(bias, 0, np.sqrt(variance / calibration.WEIGHT))
    for score in scores:
        prior *= stats.norm.pdf(score, bias, np.sqrt(variance)) / stats.norm.pdf(score)
    expected = prior.sum() * (17 / 499) * (30 / 600)
    assert log_evidence(np.array(scores)) == pytest.approx(math.log(expected), abs=1e-3)


def test_the_order_of_audits_and_the_sign_of_all_do_not_matter():
    scores = scores_of(0.4, 1.5, 15, 3)
    for other in (scores[::-1], -scores):
        assert log_evidence(other) == pytest.approx(log_evidence(scores))
        assert log_evidence_inside(other) == pytest.approx(log_evidence_inside(scores))
        assert scale_interval(other) == pytest.approx(scale_interval(scores))


def test_the_unit_does_not_matter():
    scores = scores_of(0.0, 1.7, 12, 4)
    ours = judge(audits(scores))
    theirs = judge(
        [Audit(1e9 * a.value - 5, 1e9 * a.mean - 5, 1e9 * a.std, 1e9 * a.random - 5) for a in audits(scores)]
    )
    for name in ("e_value", "e_calibrated", "scale", "bias", "gain", "expected_gain"):
        assert getattr(theirs, name) == pytest.approx(getattr(ours, name), rel=1e-6), name


def test_the_further_off_an_outcome_the_stronger_the_evidence():
    found = [log_evidence(np.array([0.5, -0.5, 0.2, far])) for far in (2.0, 3.0, 4.0, 8.0, 100.0)]
    assert found == sorted(found)


@pytest.mark.parametrize("count", [2, 5, 20, 100])
def test_an_interval_ends_where_the_best_partner_is_rejected(count):
    scores = scores_of(0.3, 1.3, count, count)
    level = log_evidence(scores) + stats.norm.logpdf(scores).sum() + math.log(calibration.ALPHA)
    for scale in scale_interval(scores):
        assert stats.norm.logpdf(scores, scores.mean(), scale).sum() == pytest.approx(level)
    for bias in bias_interval(scores):
        spread = math.sqrt(np.mean((scores - bias) ** 2))
        assert stats.norm.logpdf(scores, bias, spread).sum() == pytest.approx(level)
    low, high = scale_interval(scores)
    assert low < scores.std() < high


@pytest.mark.parametrize(
    ("bias", "scale", "verdict"),
    [(0, 1, "calibrated"), (0, 3, "miscalibrated"), (0, 0.3, "miscalibrated"), (1.5, 1, "miscalibrated")],
)
def test_many_audits_give_the_verdict(bias, scale, verdict):
    assert judge(audits(scores_of(bias, scale, 60, 1))).verdict == verdict


def test_few_audits_leave_it_undetermined():
    assert judge([]).verdict == "undetermined"
    assert judge([]).e_value == 1
    found = judge(audits([0.4]))
    assert found.verdict == "undetermined"
    assert found.scale_low == 0
    assert found.scale_high > 2


def test_a_single_impossible_outcome_is_enough():
    assert judge(audits([12.0])).alarming


def test_a_verdict_can_be_revised():
    scores = [4.2, *scores_of(0.0, 1.0, 60, 5)]
    first, last = (judge(audits(scores[:count])) for count in (1, len(scores)))
    assert first.alarming
    assert last.verdict == "calibrated"


def test_a_model_that_expects_no_gain_is_no_better_than_the_mean():
    rng = np.random.default_rng(2)
    known, found = rng.normal(5.0, 1.0, 200), rng.normal(5.0, 1.0, 8)
    said = [Audit(value, known.mean(), known.std(ddof=1), known) for value in found]
    verdict = judge(said)
    assert verdict.verdict == "no better than the mean"
    assert abs(verdict.expected_gain) < 0.01
    assert judge(said[:4]).verdict == "undetermined"


def test_a_model_that_invents_structure_is_no_better_than_the_mean():
    rng = np.random.default_rng(3)
    known, found = rng.normal(0.0, 1.0, 30), rng.normal(0.0, 1.0, 15)
    said = [Audit(value, rng.normal(0.0, 1.0), 0.5, known) for value in found]
    assert judge(said).verdict == "no better than the mean"
    assert judge(said).gain < 0


def test_what_is_too_sure_but_informative_is_miscalibrated():
    """Its errors are a fifth of the spread, and it claims them to be a twentieth."""
    rng = np.random.default_rng(4)
    known, truth = rng.normal(0.0, 5.0, 30), rng.normal(0.0, 5.0, 12)
    said = [Audit(value, value + rng.normal(0.0, 1.0), 0.25, known) for value in truth]
    assert judge(said).verdict == "miscalibrated"


def test_without_a_mean_to_compare_with_calibration_is_judged_all_the_same():
    for known in (np.array([]), np.array([3.0]), np.full(5, 3.0)):
        found = judge(audits(scores_of(0.0, 1.0, 4, 1), known))
        assert found.gain == found.expected_gain == 0
        assert math.isfinite(found.e_value)


def test_the_evidence_stays_a_number_however_wrong_a_model_is():
    found = judge(audits([1e6, -1e6]))
    assert found.verdict in ("miscalibrated", "no better than the mean")
    assert math.isfinite(found.e_value)


def told(source, n_seen, mean=0.0, std=3.0, noise=0.0):
    return {"source": source, "mean": mean, "std": std, "noise": noise, "n_seen": n_seen}


def test_audits_are_paired_with_what_was_known():
    predictions = {0: told("seed", 0), 1: told("agent", 1), 2: told("audit", 2, noise=4.0), 3: told("audit", 3)}
    outcomes = [(0, 1.0, 0.1), (1, 9.0, 0.1), (2, 3.0, math.nan), ("mine", 7.0, 0.1), (3, 5.0, 4.0)]
    first, second = audits_of(predictions, outcomes)
    assert (first.value, first.std, first.random.tolist()) == (3.0, 5.0, [1.0])
    assert (second.value, second.std, second.random.tolist()) == (5.0, 5.0, [1.0, 3.0])


def test_an_audit_that_did_not_know_the_one_before_does_not_count():
    predictions = {0: told("seed", 0), 1: told("audit", 1), 2: told("audit", 1), 3: told("audit", 3)}
    outcomes = [(number, float(number), 0.1) for number in range(4)]
    assert [audit.value for audit in audits_of(predictions, outcomes)] == [1.0, 3.0]


def test_an_audit_whose_noise_nobody_knows_does_not_count():
    assert audits_of({0: told("audit", 0, noise=math.nan)}, [(0, 1.0, math.nan)]) == []


def test_an_external_point_is_not_taken_for_the_decision_of_its_number():
    predictions = {5: told("audit", 3)}
    assert audits_of(predictions, [(5, 1.0, 0.1), ("a", 1.0, 0.1), ("b", 1.0, 0.1)]) == []


@pytest.mark.parametrize("number", [[1], {"a": 1}, 1.0, True, None])
def test_an_external_point_may_bear_anything_as_its_number(number):
    predictions = {0: told("seed", 0), 1: told("audit", 1)}
    assert audits_of(predictions, [(0, 1.0, 0.1), (number, 2.0, 0.1)]) == []


def test_absurd_outcomes_are_judged_too():
    absurd = [Audit(value, 0.0, 1.0, np.array([0.0, 1.0])) for value in (1e39, -1e100, 1e80)]
    for count in (1, 2, 3):
        found = judge(absurd[:count])
        assert found.n == count
    assert found.verdict in ("miscalibrated", "no better than the mean")
    assert np.isfinite(found.scale)
