"""A part of the outcomes that changes with time."""

import numpy as np
import pytest
import torch

from probeline.agents.gaussian.drift import Drift, next_moment, seconds
from probeline.agents.gaussian.features import build_features
from probeline.agents.gaussian.process import Fit, GaussianProcess, Hyper, Scaling
from probeline.agents.ledger import Outcomes
from probeline.agents.spec import make_agent, rebuild_agent, spec_for

from ..worlds import small_problem


@pytest.fixture(scope="module")
def case():
    problem = small_problem()
    process = GaussianProcess(build_features(problem, 0), drifts=True)
    rng = np.random.default_rng(3)
    index = np.append(rng.permutation(len(problem))[:20], [5, 5, 5])
    time = np.sort(rng.uniform(1e4, 2e4, len(index)))
    outcomes = Outcomes(index, rng.normal(size=len(index)), np.full(len(index), 0.1), time)
    hyper = Hyper(torch.tensor([0.4]).double(), 0.01, 0.2, None, Drift(0.5, 3000.0))
    return problem, process, outcomes, Fit(hyper, Scaling(0.0, 1.0), 15, True)


def by_hand(problem, outcomes, at):
    """The sum of two processes by the textbook: Rasmussen & Williams (2006), equations 2.23 and 2.24."""

    def matern52(r):
        return (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r)

    def matern32(r):
        return (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r)

    place = problem.coordinates
    time, then = outcomes.time, outcomes.time[-1] + np.sort(np.diff(outcomes.time))[(len(outcomes) - 2) // 2]
    known = matern52(np.linalg.norm(place[outcomes.index][:, None] - place[outcomes.index], axis=2) / 0.4)
    known += 0.5 * matern32(np.abs(time[:, None] - time) / 3000) + np.eye(len(time)) * (0.1**2 + 0.01)
    cross = matern52(np.linalg.norm(place[at][:, None] - place[outcomes.index], axis=2) / 0.4)
    cross += 0.5 * matern32((then - time) / 3000)
    mean = 0.2 + cross @ np.linalg.solve(known, outcomes.value - 0.2)
    return mean, 1.5 - np.sum(cross * np.linalg.solve(known, cross.T).T, axis=1)


def test_belief_is_the_sum_of_a_map_and_a_drift_then(case):
    problem, process, outcomes, fit = case
    belief = process.condition(outcomes, fit)
    mean, variance = by_hand(problem, outcomes, np.arange(len(problem)))
    np.testing.assert_allclose(belief.mean, mean, atol=1e-6)
    np.testing.assert_allclose(belief.variance, variance, atol=1e-6)


def test_outcomes_in_portions_give_the_same_bits(case):
    _, process, outcomes, fit = case
    early = process.condition(outcomes.part(0, 18), fit)
    np.testing.assert_array_equal(process.updated(early, outcomes, fit).mean, process.condition(outcomes, fit).mean)


def test_the_oldest_outcomes_are_forgotten_where_memory_ends(case, monkeypatch):
    problem, process, outcomes, fit = case
    monkeypatch.setattr("probeline.agents.gaussian.process.EXACT_NUMBERS", 10 * len(problem))
    assert len(process.condition(outcomes, fit).outcomes) == 10


def test_unknown_times_are_those_of_the_outcome_before():
    nan = np.nan
    time = seconds(np.array([nan, 10.0, nan, 20.0, 40.0]))
    np.testing.assert_allclose(time, [0, 0, 0, 10, 30])
    np.testing.assert_array_equal(seconds(np.array([nan, nan])), [0, 0])
    assert float(next_moment(time)) == 30  # most came at once
    assert float(next_moment(time[2:])) == 40


def test_a_fit_that_stands_in_keeps_its_seconds(case):
    _, process, outcomes, fit = case
    instead = fit.standing_in(20)
    np.testing.assert_array_equal(process.condition(outcomes, instead).mean, process.condition(outcomes, fit).mean)


def drifting_run(seed, drift, size):
    """60 measurements, every sixth at a control site; return the error of the last map."""
    problem = small_problem(pixels=20, seed=seed)
    rng = np.random.default_rng(seed)
    truth = np.sin(problem.points[:, 0] / 30) + problem.patches[:, 1, 2, 2]
    level = size * np.cumsum(rng.normal(size=60)) / np.sqrt(60)
    agent = make_agent(spec_for("patch_gp", "map", {"seed": seed, "drift": drift, "components": 6}), problem)
    control = None
    for step, shift in enumerate(level):
        if control is not None and step % 6 == 0:
            point, candidate = dict(zip("xy", problem.points[control], strict=True)), control
        else:
            (point,) = agent.suggest()
            candidate = agent.explain(point)["candidate"]
            control = candidate if control is None else control
        value = truth[candidate] + shift + 0.05 * rng.normal()
        agent.ingest([{**point, "area": value, "_time": 60.0 * step}])
    error = agent.posterior()["mean"] - truth - level[-1]
    return float(np.sqrt(np.mean(error**2))), agent


def test_a_drift_is_told_from_the_map():
    errors = np.array([[drifting_run(seed, drift, 1.5)[0] for drift in (False, True)] for seed in range(4)])
    assert errors[:, 1].mean() < 0.6 * errors[:, 0].mean()


def test_an_agent_rebuilt_from_its_log_knows_the_times():
    _, agent = drifting_run(0, True, 1.0)
    again = rebuild_agent(agent.spec, agent.problem, agent.log)
    np.testing.assert_array_equal(again.posterior()["mean"], agent.posterior()["mean"])
