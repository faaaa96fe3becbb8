import numpy as np
import pytest
import torch

from probeline.agents.check import landscape
from probeline.agents.gaussian import agents
from probeline.agents.gaussian.agents import fit_counts
from probeline.agents.gaussian.process import GaussianProcess
from probeline.agents.problem import grid_problem
from probeline.agents.spec import ACQUISITIONS
from probeline.core.errors import SpecError

from ..worlds import agent_on, run, small_problem


def test_fits_thin_out():
    assert fit_counts(1) == []
    assert fit_counts(5) == [2, 3, 4, 5]
    assert fit_counts(30)[-4:] == [24, 26, 28, 30]
    assert fit_counts(31) == fit_counts(200)[: len(fit_counts(31))]


@pytest.mark.parametrize("acquisition", ACQUISITIONS)
@pytest.mark.parametrize("direction", ["max", "min"])
def test_every_acquisition_gives_a_finite_score(problem, acquisition, direction):
    agent = agent_on(problem, "gp", acquisition=acquisition, direction=direction, seed_points=5)
    run(agent, problem, 5)
    agent.suggest(2)
    score = agent.posterior()["acquisition"]
    assert np.isfinite(score).sum() == len(problem) - 7
    entry = agent.explain(agent.suggest()[0])
    assert entry["rank"] == 0
    assert entry["acquisition"] == np.nanmax(score)


def test_model_finds_the_maximum_faster_than_random(problem):
    truth = landscape(problem)
    best = {}
    for kind in ("gp", "random"):
        best[kind] = [truth[run(agent_on(problem, kind, seed=s, seed_points=5), problem, 16)].max() for s in range(2)]
    assert np.mean(best["gp"]) > np.mean(best["random"])
    assert np.mean(best["gp"]) > np.quantile(truth, 0.99)


def test_patches_tell_what_coordinates_cannot():
    problem = small_problem(pixels=20, channels=("b",))
    truth = np.tanh(problem.patches[:, 0, 2, 2])  # noise in space, smooth in the patch

    def error(kind):
        agent = agent_on(problem, kind, goal="map", seed_points=60, seed=1)
        points = agent.suggest(60)
        measured = [agent.explain(point)["candidate"] for point in points]
        agent.ingest([{"_id": p["_id"], "area": truth[c]} for p, c in zip(points, measured, strict=True)])
        rest = np.setdiff1d(np.arange(len(problem)), measured)
        return np.mean((agent.posterior()["mean"][rest] - truth[rest]) ** 2) / truth.var()

    assert error("patch_gp") < 0.75 * error("gp")


def test_straddle_measures_at_the_level(problem):
    truth = landscape(problem)
    agent = agent_on(problem, "gp", "all_above", threshold=0.5, seed_points=8)
    found = run(agent, problem, 20)
    assert np.median(np.abs(truth[found[8:]] - 0.5)) < 0.6 * np.median(np.abs(truth - 0.5))


def test_pending_points_never_make_the_belief_less_sure(problem):
    agent = agent_on(problem, "gp", seed_points=3)
    run(agent, problem, 3)
    agent._prepare()
    known = agent._belief()
    for _ in range(5):  # more than are known
        agent.suggest(1)
        assert (agent._belief_with_pending(known).std <= known.std + 1e-12).all()


def test_pending_points_repel(problem):
    agent = agent_on(problem, "gp", acquisition="max_variance", seed_points=5)
    run(agent, problem, 5)
    one, other = agent.suggest(2)
    assert np.hypot(one["x"] - other["x"], one["y"] - other["y"]) > 30
    before = agent.posterior()["std"]
    alone = agent_on(problem, "gp", acquisition="max_variance", seed_points=5)
    run(alone, problem, 5)
    np.testing.assert_array_equal(before, alone.posterior()["std"])


def test_best_points_are_the_believed_ones(problem):
    agent = agent_on(problem, "gp", seed_points=20)
    points = agent.suggest(20)
    truth = landscape(problem)
    rows = [{"_id": p["_id"], "area": truth[agent.explain(p)["candidate"]], "area_sigma": 0.01} for p in points]
    rows[3] = {"_id": 3, "area": 50.0, "area_sigma": 100.0}
    agent.ingest(rows)
    assert agent.get_best_points()[0][0] != 3


def test_a_failed_fit_falls_back_and_is_recorded(problem, monkeypatch):
    agent = agent_on(problem, "gp", seed_points=3)
    run(agent, problem, 4)
    whole = GaussianProcess.fit

    def broken(self, outcomes):
        fit = whole(self, outcomes)
        return fit.standing_in(4) if len(outcomes) == 4 else fit

    monkeypatch.setattr(agents.GaussianProcess, "fit", broken)
    entry = agent.explain(agent.suggest()[0])
    assert entry["source"] == "fallback"
    assert np.isfinite(entry["mean"])


def test_one_torch_thread(problem):
    agent_on(problem, "gp")
    assert torch.get_num_threads() == 1


def test_without_patches_the_patch_agents_use_coordinates():
    problem = small_problem(channels=())
    for kind in ("patch_gp", "dkl"):
        agent = agent_on(problem, kind, seed_points=3)
        run(agent, problem, 4)
        expected = agent_on(problem, "gp", seed_points=3)
        run(expected, problem, 4)
        np.testing.assert_array_equal(agent.posterior()["mean"], expected.posterior()["mean"])


@pytest.mark.parametrize("options", [{"kernel": "rbf"}, {"ard": True}, {"kernel": "rbf", "ard": True}])
@pytest.mark.parametrize("kind", ["patch_gp", "dkl"])
def test_every_kernel_finds_the_maximum(problem, kind, options):
    truth = landscape(problem)
    found = run(agent_on(problem, kind, seed_points=6, **options), problem, 20)
    assert truth[found].max() > np.quantile(truth, 0.98)


def test_relevance_determination_finds_what_matters():
    axes = {"voltage": np.linspace(2, 10, 12), "duration": np.logspace(-3, 0, 12)}
    problem = grid_problem(axes, {"voltage": "V", "duration": "s"}, objective="area")
    agent = agent_on(problem, "gp", seed_points=20)
    run(agent, problem, 25, truth=np.sin(problem.points[:, 0]))
    voltage, duration = agent._fit.hyper.scales
    assert duration > 5 * voltage


def test_options_of_other_kinds_are_refused(problem):
    with pytest.raises(SpecError, match="hidden"):
        agent_on(problem, "patch_gp", hidden=3)


def path_length(problem, found):
    return np.linalg.norm(np.diff(problem.points[found], axis=0), axis=1).sum()


@pytest.mark.parametrize("acquisition", ["log_ei", "max_variance", "integrated_variance", "novelty"])
def test_where_moving_costs_the_path_is_shorter(problem, acquisition):
    free, costly = (
        run(agent_on(problem, "gp", seed_points=4, acquisition=acquisition, travel=travel), problem, 24)
        for travel in (0.0, 5.0)
    )
    assert free[:4] == costly[:4]
    assert path_length(problem, costly[4:]) < 0.7 * path_length(problem, free[4:])


@pytest.mark.parametrize("acquisition", ["ucb", "straddle", "thompson"])
def test_a_cost_is_refused_where_it_cannot_be_weighed(acquisition):
    with pytest.raises(SpecError, match=f"not against {acquisition}"):
        agent_on(small_problem(), "gp", acquisition=acquisition, travel=0.1)
    with pytest.raises(SpecError, match="not against None"):
        agent_on(small_problem(), "random", travel=0.1)


def test_outcomes_without_sigma_are_audited_with_the_noise_that_was_fitted(problem):
    agent, rng = agent_on(problem, "gp", seed_points=6, audit=0.3), np.random.default_rng(2)
    run(agent, problem, 26, truth=landscape(problem) + 0.2 * rng.normal(size=len(problem)))
    told = [agent.explain({"_id": number}) for number in range(26)]
    audits = [entry["noise"] for entry in told if entry["source"] == "audit"]
    assert len(audits) == 6
    assert 0.05 < audits[-1] < 0.4
