import json

import numpy as np
import pytest

from probeline.agents.check import drive
from probeline.agents.laws.agents import LawAgent, draw_counts
from probeline.agents.laws.belief import Belief, Prediction, information, mixture
from probeline.agents.problem import grid_problem
from probeline.agents.spec import make_agent, rebuild_agent, spec_for
from probeline.core.errors import RefusedError, SpecError, UnknownNameError

from ..worlds import QUICK, small_problem

EXPONENT = {"prior": "normal", "mean": 3, "std": 1}
POWER = {"name": "power", "expression": "x**b", "parameters": {"b": EXPONENT}}
LINE = {"name": "line", "expression": "b * x", "parameters": {"b": EXPONENT}}
NOISE = {"prior": "lognormal", "median": 0.3, "factor": 1.5}
PROBLEM = grid_problem({"x": np.linspace(0, 2.5, 40)}, {"x": "V"}, objective="y")
TRUTH = PROBLEM.points[:, 0] ** 3


def agent_for(kind, goal="map", seed=0, **options):
    given = {"seed_points": 3, "noise": NOISE, "particles": 256, **options}
    made = make_agent(spec_for(kind, goal, given, seed=seed), PROBLEM)
    assert isinstance(made, LawAgent)
    return made


def measure(agent, steps, truth=TRUTH, noise=0.3, sigma=None):
    rng, chosen = np.random.default_rng(7), []
    for _ in range(steps):
        point = agent.suggest()[0]
        candidate = agent.explain(point)["candidate"]
        outcome = {"y": truth[candidate] + noise * rng.normal()} | ({"y_sigma": sigma} if sigma else {})
        agent.ingest([{"_id": point["_id"], **outcome}])
        chosen.append(candidate)
    return chosen


def teach(agent, count, truth=TRUTH, noise=0.3):
    """Give outcomes of evenly spread settings, all at once."""
    index = np.linspace(0, 39, count).astype(int)
    values = truth[index] + noise * np.random.default_rng(7).normal(size=count)
    agent.ingest([{"x": x, "y": y} for x, y in zip(PROBLEM.points[index, 0].tolist(), values.tolist(), strict=True)])


def test_the_right_law_becomes_probable():
    agent = agent_for("hypothesis", laws=[POWER, LINE])
    assert agent.probabilities() == pytest.approx({"power": 1 / 3, "line": 1 / 3, "none of these": 1 / 3})
    measure(agent, 8)
    assert agent.probabilities()["power"] > 0.9
    mean, std = agent.parameters()["power"]["b"]
    assert abs(mean - 3) < 4 * std < 0.5
    assert sum(agent.probabilities().values()) == pytest.approx(1)


def test_none_of_the_laws_is_an_answer():
    agent = agent_for("hypothesis", laws=[POWER, LINE])
    teach(agent, 14, truth=5 * np.cos(4 * PROBLEM.points[:, 0]))
    assert agent.probabilities()["none of these"] > 0.9


def test_points_are_chosen_to_tell_laws_apart():
    agent = agent_for("hypothesis", laws=[POWER, LINE], none_of_these=False, seed_points=1)
    near = agent.register_suggestions([{"x": 1.0}, {"x": 0.9}])
    agent.ingest([{"_id": point["_id"], "y": point["x"]} for point in near])
    assert agent.spec.acquisition == "information"
    assert agent.suggest()[0]["x"] > 1.8  # both agree around 1 and part farther out
    said = agent.predictions()
    assert set(said) == {"power", "line"}
    assert said["power"].mean[-1] > 2 * said["line"].mean[-1]


def test_an_inexact_law_is_corrected():
    truth = TRUTH + 1.5 * np.sin(5 * PROBLEM.points[:, 0])
    agent = agent_for("sgp", law=POWER)
    teach(agent, 20, truth=truth, noise=0.1)
    belief = agent.posterior()
    exact = agent_for("sgp", law=POWER, discrepancy=False)
    teach(exact, 20, truth=truth, noise=0.1)
    assert np.std(belief["mean"] - truth) < 0.4 < np.std(exact.posterior()["mean"] - truth)
    assert np.mean(np.abs(belief["mean"] - truth) < 2 * belief["std"] + 0.1) > 0.85


@pytest.mark.parametrize("kind", ["sgp", "hypothesis"])
@pytest.mark.parametrize("acquisition", LawAgent.acquisitions)
@pytest.mark.parametrize("direction", ["max", "min"])
def test_every_acquisition_works(kind, acquisition, direction):
    laws = {"law": POWER} if kind == "sgp" else {"laws": [POWER, LINE]}
    agent = agent_for(kind, acquisition=acquisition, direction=direction, particles=64, **laws)
    points = agent.suggest(4)
    agent.ingest([{"_id": p["_id"], "y": p["x"] ** 3} for p in points])
    batch = agent.suggest(3)
    assert len({p["x"] for p in batch}) == 3
    assert np.isfinite(agent.posterior()["acquisition"]).sum() == 40 - 7
    assert agent.explain(batch[0])["rank"] == 0


def test_goals_choose_acquisitions():
    assert spec_for("sgp", "optimum", {"law": POWER}).acquisition == "log_ei"
    assert spec_for("hypothesis", "optimum", {"laws": [POWER]}).acquisition == "information"
    with pytest.raises(UnknownNameError, match="log_ei"):
        spec_for("gp", "optimum", {"acquisition": "information"})


def test_the_specification_is_json_and_the_log_gives_the_same_agent():
    agent = agent_for("hypothesis", laws=[POWER, LINE], discrepancy=True, particles=64)
    measure(agent, 8)
    spec, log = json.loads(agent.spec.model_dump_json()), json.loads(json.dumps(agent.log))
    again = rebuild_agent(spec, PROBLEM, log)
    assert isinstance(again, LawAgent)
    assert again.probabilities() == agent.probabilities()
    assert again.suggest(2) == agent.suggest(2)
    assert np.array_equal(again.posterior()["std"], agent.posterior()["std"])


def test_outcomes_in_any_portions_give_the_same_bits():
    points = [{"x": float(x), "y": float(x**3)} for x in PROBLEM.points[:23, 0]]
    assert draw_counts(len(points))[-1] == 22  # so that both weigh a population anew
    at_once, one_by_one = (agent_for("sgp", law=POWER, particles=64) for _ in range(2))
    at_once.ingest(points)
    for point in points:
        one_by_one.ingest([point])
        if len(one_by_one.log) % 4 == 0:
            one_by_one.posterior()
    assert np.array_equal(at_once.posterior()["mean"], one_by_one.posterior()["mean"])
    assert at_once.suggest() == one_by_one.suggest()


def test_fits_become_rarer():
    assert draw_counts(0) == [0]
    assert draw_counts(22) == [*range(21), 22]
    assert draw_counts(200)[-2:] == [179, 196]


@pytest.mark.parametrize("kind", ["sgp", "hypothesis"])
@pytest.mark.parametrize("value", [0.0, 5.0, -1e9, 1e100])
def test_constant_and_absurd_outcomes_are_survived(kind, value):
    laws = {"law": POWER} if kind == "sgp" else {"laws": [POWER, LINE]}
    agent = agent_for(kind, particles=64, **laws)
    points = agent.suggest(5)
    agent.ingest([{"_id": p["_id"], "y": value} for p in points[:3]])
    agent.register_failures(points[3:])
    belief = agent.posterior()
    assert np.isfinite(belief["mean"]).all()
    assert np.isfinite(belief["std"]).all()
    assert sum(agent.probabilities().values()) == pytest.approx(1)
    agent.suggest(3)


def test_the_prior_speaks_before_any_outcome():
    agent = agent_for("sgp", law=POWER)
    belief = agent.posterior()
    assert belief["mean"][16] == pytest.approx(1.0, abs=0.3)  # x = 1: any power is 1
    assert belief["std"][-1] > 5 * belief["std"][16]
    agent.ingest([{"x": 2.5, "y": 2.5**3}])
    assert agent.posterior()["std"][-1] < 2


def test_stated_sigmas_count():
    sure, unsure = (agent_for("sgp", law=POWER, discrepancy=False) for _ in range(2))
    for agent, sigma in ((sure, 0.01), (unsure, 5.0)):
        agent.ingest([{"x": float(PROBLEM.points[30, 0]), "y": 8.0, "y_sigma": sigma}] * 2)
    assert sure.posterior()["std"][30] < 0.05
    assert unsure.posterior()["std"][30] > 0.5
    point = sure.suggest()[0]
    assert sure.explain(point)["noise"] == pytest.approx(0, abs=0.01)


def test_learned_noise_is_told():
    agent = agent_for("sgp", law=POWER, discrepancy=False)
    teach(agent, 15)
    assert agent.explain(agent.suggest()[0])["noise"] == pytest.approx(0.3, rel=0.5)


def test_one_candidate_is_enough():
    lone = grid_problem({"x": [1.0]}, {"x": "V"}, objective="y")
    agent = make_agent(spec_for("hypothesis", "map", {"laws": [POWER, LINE], "particles": 64}), lone)
    point = agent.suggest()[0]
    agent.ingest([{"_id": point["_id"], "y": 1.0}])
    assert np.isfinite(agent.posterior()["std"]).all()
    with pytest.raises(RefusedError, match="no admissible candidate"):
        agent.suggest()


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        ("sgp", {}, "law"), ("sgp", {"law": {"expression": "a"}}, "parameters"), ("hypothesis", {"laws": []}, "laws"),
        ("hypothesis", {"laws": [POWER, POWER]}, "names have to differ"),
        ("hypothesis", {"laws": [{**POWER, "name": "none of these"}]}, "names have to differ"),
        ("sgp", {"law": {"expression": "a * z", "parameters": {"a": EXPONENT}}}, "depends on 'z'"),
        ("sgp", {"law": {"expression": "log(x - 2) * b", "parameters": {"b": EXPONENT}}}, "no finite value at x = 0"),
        ("sgp", {"law": {"expression": "b * 1e200 * x", "parameters": {"b": EXPONENT}}}, "no finite value"),
        ("sgp", {"law": {"expression": "open('x')", "parameters": {}}}, "refused"),
        ("sgp", {"law": POWER, "noise": {"prior": "normal"}}, "noise"),
        ("sgp", {"law": POWER, "relative_noise": -1}, "-1"),
        ("sgp", {"law": "domain_growth_power", "dofs": {"voltage": "x"}}, "depends on 'duration'"),
    ],
)  # fmt: skip
def test_bad_options_are_refused(kind, options, named):
    with pytest.raises(SpecError, match=named):
        make_agent(spec_for(kind, "map", options), PROBLEM)


def test_unknown_laws_are_refused():
    with pytest.raises(UnknownNameError, match="plasmon_peak"):
        make_agent(spec_for("sgp", "map", {"law": "plasmon_peek"}), PROBLEM)


def test_laws_work_on_a_survey_too():
    problem = small_problem()
    agent = make_agent(spec_for("sgp", "optimum", {"seed_points": 3, **QUICK["sgp"]}), problem)
    told = drive(agent, problem, 6)
    assert [entry["source"] for entry in told] == ["seed"] * 3 + ["agent"] * 3


def test_conditioning_on_a_pending_point_is_that_of_a_gaussian():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(5, 3))
    dense = factor @ factor.T
    after = Belief(np.zeros(5), factor, 0.0).given(2, 0.7)
    expected = dense - np.outer(dense[2], dense[2]) / (dense[2, 2] + 0.7)
    assert after.covariance(np.arange(5)) == pytest.approx(expected)
    assert Belief(np.zeros(5), 0 * factor, 0.1).given(2, 0.0).std == pytest.approx(np.full(5, 0.1))


def prediction(mean, std, noise):
    draws = mean + std * np.linspace(-1.5, 1.5, 64)[:, None]
    ones = np.ones(draws.shape[1])
    return Prediction(mean * ones, std**2 * ones, noise**2 * ones, draws, np.zeros((draws.shape[1], 0)))


def test_a_mixture_has_the_spread_between_laws():
    told = [prediction(np.array([0.0, 1.0]), 0.1, 1.0), prediction(np.array([0.0, 3.0]), 0.1, 1.0)]
    belief = mixture(np.array([0.5, 0.5]), told, 0.0)
    assert belief.mean == pytest.approx([0, 2])
    assert belief.std == pytest.approx([0.09, 1.0], abs=0.02)


def test_information_is_that_of_the_textbook():
    same = [prediction(np.zeros(1), 0.0, 1.0)] * 2
    apart = [prediction(np.array([-50.0]), 0.0, 1.0), prediction(np.array([50.0]), 0.0, 1.0)]
    even = np.array([0.5, 0.5])
    assert information(even, same) == pytest.approx([0], abs=1e-12)
    assert information(even, apart) == pytest.approx([np.log(2)])  # one bit: which law
    assert information(np.array([1.0, 0.0]), apart) == pytest.approx([0], abs=1e-12)
