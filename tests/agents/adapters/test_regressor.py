import sys

import numpy as np
import pytest
from sklearn import ensemble
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probeline.agents.adapters.regressor import RegressorAgent
from probeline.agents.check import check_agent, landscape
from probeline.agents.spec import AgentSpec, make_agent, spec_for
from probeline.core.errors import SpecError, UnknownNameError

from ..worlds import run

FIVE_LINES = """
from probeline.agents.adapters.regressor import RegressorAgent
from sklearn.{module} import {name}
class Mine(RegressorAgent):
    def regressor(self, seed):
        return {name}({options})
"""
REGRESSORS = {
    "ensemble": ("ensemble", "RandomForestRegressor", "n_estimators=20, random_state=seed"),
    "process": ("gaussian_process", "GaussianProcessRegressor", "alpha=1e-4, normalize_y=True, optimizer=None"),
    "linear": ("linear_model", "BayesianRidge", ""),
}


@pytest.fixture(params=REGRESSORS)
def mine(request, tmp_path, monkeypatch):
    """An installed package of somebody else with the agent ``mine``."""
    module, name, options = REGRESSORS[request.param]
    (tmp_path / "mine_agents.py").write_text(FIVE_LINES.format(module=module, name=name, options=options))
    about = tmp_path / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[probeline.agents]\nmine = mine_agents:Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield request.param
    sys.modules.pop("mine_agents", None)


def test_a_regressor_in_five_lines_is_an_agent(problem, mine):
    check_agent(lambda seed: make_agent(spec_for("mine", "optimum", {"seed_points": 4}, seed=seed), problem), problem)


@pytest.mark.parametrize("goal", ["optimum", "map", "all_above", "diverse"])
def test_it_serves_every_goal(problem, mine, goal):
    truth = landscape(problem)
    found = run(make_agent(spec_for("mine", goal, {"seed_points": 6}), problem), problem, 16)
    assert len(set(found)) == 16
    if goal == "optimum" and mine != "linear":
        assert truth[found].max() > np.quantile(truth, 0.95)


def test_one_that_says_nothing_of_its_uncertainty_is_refused(problem):
    from sklearn.linear_model import Ridge

    class Plain(RegressorAgent):
        def regressor(self, seed):
            return Ridge()

    agent = Plain(AgentSpec(kind="plain", acquisition="log_ei", seed_points=2), problem)
    with pytest.raises(SpecError, match="Ridge says nothing of its uncertainty"):
        run(agent, problem, 4)


def agent_of(regressor, problem, acquisition="max_variance"):
    """An agent with ``regressor``, a function of the seed."""

    class Mine(RegressorAgent):
        def regressor(self, seed):
            return regressor(seed)

    return Mine(AgentSpec(kind="mine", acquisition=acquisition, seed_points=6), problem)


def process(seed):
    return GaussianProcessRegressor(Matern(2.0), alpha=1e-4, normalize_y=True, optimizer=None)


def test_pending_points_repel(problem):
    agent = agent_of(process, problem)
    run(agent, problem, 6)
    one, other = agent.suggest(2)
    assert np.hypot(one["x"] - other["x"], one["y"] - other["y"]) > 20
    alone = agent_of(process, problem)
    run(alone, problem, 6)
    np.testing.assert_array_equal(agent.posterior()["std"], alone.posterior()["std"])


@pytest.mark.parametrize("name", ["GradientBoostingRegressor", "AdaBoostRegressor"])
def test_members_that_are_no_ensemble_of_predictions_are_refused(problem, name):
    agent = agent_of(lambda seed: getattr(ensemble, name)(random_state=seed), problem)
    with pytest.raises(SpecError, match=f"{name} was refused: it does not predict the mean"):
        run(agent, problem, 8)


def test_members_that_see_a_part_of_the_features_each_are_asked_with_it(problem):
    agent = agent_of(lambda seed: ensemble.BaggingRegressor(max_features=0.5, random_state=seed), problem)
    run(agent, problem, 8)
    assert np.ptp(agent.posterior()["std"]) > 0


def test_a_pipeline_passes_the_question_for_its_uncertainty_on(problem):
    agent = agent_of(lambda seed: make_pipeline(StandardScaler(), BayesianRidge()), problem)
    run(agent, problem, 8)
    assert (agent.posterior()["std"] > 0).all()


def test_an_error_within_predict_is_told_as_it_is(problem):
    class Broken(BayesianRidge):
        def predict(self, X, return_std=False):
            raise TypeError("'NoneType' object is not subscriptable")

    with pytest.raises(TypeError, match="subscriptable"):
        run(agent_of(lambda seed: Broken(), problem), problem, 8)


def test_what_it_cannot_score_is_refused(problem, mine):
    with pytest.raises(UnknownNameError, match="integrated_variance"):
        spec_for("mine", "map", {"acquisition": "integrated_variance"})
