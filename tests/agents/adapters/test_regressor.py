import sys

import numpy as np
import pytest

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


def test_what_it_cannot_score_is_refused(problem, mine):
    with pytest.raises(UnknownNameError, match="integrated_variance"):
        spec_for("mine", "map", {"acquisition": "integrated_variance"})
