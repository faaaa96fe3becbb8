import numpy as np
import pytest

from probeline.agents.baselines import nested_grid_place
from probeline.agents.check import landscape

from .worlds import agent_on, run, small_problem


def test_mean_predictor_believes_the_same_everywhere(problem):
    agent = agent_on(problem, "random")
    assert np.isnan(agent.posterior()["mean"]).all()
    found = run(agent, problem, 12)
    value = landscape(problem)[found]
    belief = agent.posterior()
    assert np.ptp(belief["mean"]) == 0
    assert belief["mean"][0] == pytest.approx(value.mean())
    assert belief["std"][0] == pytest.approx(value.std(ddof=1))


def test_random_suggests_every_candidate_in_the_end(problem):
    agent = agent_on(problem, "random")
    points = agent.suggest(len(problem))
    assert len({(p["x"], p["y"]) for p in points}) == len(problem)


def test_grid_goes_from_the_middle_to_finer_passes():
    row, column = np.mgrid[:7, :7]
    pixel = np.column_stack([row.ravel(), column.ravel()]) * 2 + 4  # a survey with a margin and a stride
    place = nested_grid_place(pixel).reshape(7, 7)
    assert place[3, 3] == 0
    coarse = place[1::2, 1::2]
    assert sorted(coarse.ravel()) == list(range(9))
    assert sorted(place.ravel()) == list(range(49))
    fine = [tuple(np.argwhere(place == k)[0]) for k in range(9, 49)]
    assert fine[0][0] == 0
    assert fine[-1][0] == 6


@pytest.mark.parametrize("shape", [(1, 9), (8, 8), (13, 5)])
def test_grid_places_are_a_permutation(shape):
    pixel = np.argwhere(np.ones(shape, bool))
    assert sorted(nested_grid_place(pixel)) == list(range(len(pixel)))


def test_space_filling_keeps_its_points_apart(problem):
    def smallest_gap(kind, seed):
        xy = problem.points[run(agent_on(problem, kind, seed=seed, seed_points=1), problem, 12)]
        return np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))[~np.eye(12, dtype=bool)].min()

    gaps = {kind: [smallest_gap(kind, seed) for seed in range(5)] for kind in ("space_filling", "random")}
    assert np.mean(gaps["space_filling"]) > 1.5 * np.mean(gaps["random"])


def test_greedy_channel_finds_the_channel_and_its_sign(problem):
    channel = problem.patches[:, 1, 2, 2]  # "a"
    for sign in (1.0, -1.0):
        agent = agent_on(problem, "greedy_channel", seed_points=8)
        found = run(agent, problem, 14, truth=sign * channel**3)
        expected = [c for c in np.argsort(-sign * channel, kind="stable") if c not in found[:8]][:6]
        np.testing.assert_allclose(np.sort(channel[found[8:]]), np.sort(channel[expected]))


def test_greedy_channel_minimises_too(problem):
    channel = problem.patches[:, 1, 2, 2]
    agent = agent_on(problem, "greedy_channel", seed_points=8, direction="min")
    found = run(agent, problem, 12, truth=channel)
    assert channel[found[8:]].max() < np.quantile(channel, 0.1)


def test_greedy_channel_takes_turns_while_nothing_correlates():
    problem = small_problem()
    agent = agent_on(problem, "greedy_channel", seed_points=4)
    found = run(agent, problem, 8, truth=np.ones(len(problem)))[4:]
    b, a = problem.patches[:, 0, 2, 2], problem.patches[:, 1, 2, 2]
    assert b[found[0]] > np.quantile(b, 0.95)
    assert b[found[1]] < np.quantile(b, 0.05)
    assert a[found[2]] > np.quantile(a, 0.95)
    assert a[found[3]] < np.quantile(a, 0.05)
