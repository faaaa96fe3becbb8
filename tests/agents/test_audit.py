"""Audits: which decisions, which candidates, and what follows from them."""

import json
import math

import numpy as np
import pytest

from probeline.agents.audit import is_audit
from probeline.agents.base import seed_order
from probeline.agents.check import check_agent, drive, landscape
from probeline.agents.gaussian.agents import GPAgent
from probeline.agents.spec import make_agent, parse_spec, rebuild_agent, spec_for
from probeline.analysis.calibration import audits_of, judge
from probeline.core.errors import SpecError

from .worlds import agent_on, small_problem

QUICK = {"dkl": {"components": 4, "hidden": 4, "steps": 2}, "patch_gp": {"components": 4}, "gp": {}}
OLD = {  # as runs were recorded before there were audits
    "version": 1, "kind": "gp", "seed": 3, "seed_points": 4, "acquisition": "log_ei", "direction": "max",
    "options": {"beta": 2.0, "threshold": None, "quantile": 0.9, "neighbours": 5},
}  # fmt: skip


def observed(agent, problem, steps, value_of, sigma=0.1):
    """Drive an agent with outcomes of stated sigma; return the decisions' explanations and outcomes."""
    told, outcomes = {}, []
    for _ in range(steps):
        point = agent.suggest()[0]
        why = told[point["_id"]] = agent.explain(point)
        outcomes.append((point["_id"], float(value_of(why["candidate"])), sigma))
        agent.ingest([{"_id": point["_id"], "area": outcomes[-1][1], "area_sigma": sigma}])
    return told, outcomes


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.5])
def test_audits_are_spread_evenly(share):
    for seed in range(5):
        found = [number for number in range(400) if is_audit(seed, share, number)]
        assert abs(len(found) - 400 * share) < 1
        assert [math.floor(number * share + 1e-9) for number in found] == list(range(len(found)))
    assert not any(is_audit(0, 0.0, number) for number in range(100))


def test_audits_fall_in_step_with_nothing():
    found = [number for number in range(1000) if is_audit(0, 0.1, number)]
    assert len({number % 10 for number in found}) == 10
    other = [number for number in range(1000) if is_audit(1, 0.1, number)]
    assert found != other


def test_an_audit_measures_the_next_candidate_of_the_seed_order(problem):
    agent = agent_on(problem, "gp", seed_points=4, audit=0.5)
    told, _ = observed(agent, problem, 24, landscape(problem).__getitem__)
    order, used = seed_order(problem, 0).tolist(), set()
    for number, entry in told.items():
        audit = number >= 4 and is_audit(0, 0.5, number - 4)
        assert entry["source"] == ("seed" if number < 4 else "audit" if audit else "agent")
        if entry["source"] != "agent":
            assert entry["candidate"] == next(c for c in order if c not in used)
        used.add(entry["candidate"])
    assert sum(entry["source"] == "audit" for entry in told.values()) == 10


def test_audits_are_a_random_sample_of_what_is_not_measured():
    """Whatever the agent hunts for: here the rank of the audited candidate among the open ones is uniform."""
    problem = small_problem(pixels=12)
    truth, ranks = landscape(problem), []
    for seed in range(20):
        agent, used = agent_on(problem, "gp", seed=seed, seed_points=3, audit=0.5), []
        told, _ = observed(agent, problem, 13, truth.__getitem__)
        for entry in told.values():
            if entry["source"] == "audit":
                free = np.delete(truth, used)
                ranks.append(np.mean(free < truth[entry["candidate"]]))
            used.append(entry["candidate"])
    assert len(ranks) >= 100
    assert abs(np.mean(ranks) - 0.5) < 3 * math.sqrt(1 / 12 / len(ranks))


@pytest.mark.parametrize("kind", ["gp", "patch_gp", "dkl"])
@pytest.mark.parametrize("remedy", ["warn", "space_filling"])
def test_agents_that_audit_conform(kind, remedy):
    problem = small_problem(separation_nm=11)
    options = {"seed_points": 3, "audit": 0.4, "on_miscalibrated": remedy, **QUICK[kind]}
    spec = spec_for(kind, "optimum", options)
    check_agent(lambda seed: make_agent(spec.model_copy(update={"seed": seed}), problem), problem)


def test_what_was_recorded_without_audits_is_repeated_without(problem):
    spec = parse_spec(OLD)
    assert (spec.audit, spec.on_miscalibrated) == (0.0, "warn")
    told = drive(make_agent(OLD, problem), problem, 40)
    assert {entry["source"] for entry in told} == {"seed", "agent"}


def test_agents_without_a_model_have_no_audits():
    assert spec_for("random", "optimum", audit=0.1).audit == 0
    assert spec_for("gp", "optimum", audit=0.1).audit == 0.1
    assert spec_for("gp", "optimum", {"audit": 0.2}, audit=0.1).audit == 0.2
    with pytest.raises(SpecError, match=r"'random' has no model, so audit = 0\.1"):
        spec_for("random", "optimum", {"audit": 0.1})
    with pytest.raises(SpecError, match="needs audits"):
        spec_for("gp", "optimum", {"on_miscalibrated": "space_filling"})
    with pytest.raises(SpecError, match=r"audit = 0\.6"):
        spec_for("gp", "optimum", {"audit": 0.6})
    with pytest.raises(SpecError, match="on_miscalibrated"):
        spec_for("gp", "optimum", {"audit": 0.1, "on_miscalibrated": "panic"})


def test_the_verdict_follows_from_what_is_recorded(problem):
    truth, rng = landscape(problem), np.random.default_rng(0)
    agent = agent_on(problem, "gp", seed_points=6, audit=0.3)
    told, outcomes = observed(agent, problem, 40, lambda c: truth[c] + rng.normal(0, 0.1))
    verdict = agent.calibration()
    assert verdict.n == sum(why["source"] == "audit" for why in told.values()) > 8
    assert verdict == judge(audits_of(told, outcomes))
    again = rebuild_agent(agent.spec, problem, json.loads(json.dumps(agent.log)))
    assert again.calibration() == verdict
    assert not verdict.alarming


def test_space_is_filled_while_the_predictions_cannot_be_relied_on(problem):
    noise = np.random.default_rng(1).standard_cauchy(len(problem))  # tails that no Gaussian has
    options = {"seed_points": 4, "audit": 0.4}
    plain, _ = observed(agent_on(problem, "gp", **options), problem, 40, noise.__getitem__)
    agent = agent_on(problem, "gp", **options, on_miscalibrated="space_filling")
    told, outcomes = observed(agent, problem, 40, noise.__getitem__)
    assert {why["source"] for why in plain.values()} == {"seed", "agent", "audit"}
    for number, why in told.items():
        alarming = judge(audits_of(told, outcomes[:number])).alarming
        assert why["source"] in (("seed", "audit", "space_filling") if alarming else ("seed", "audit", "agent"))
    first = next(number for number, why in told.items() if why["source"] == "space_filling")
    used = [told[number]["candidate"] for number in range(first)]
    assert used == [plain[number]["candidate"] for number in range(first)]
    gaps = np.linalg.norm(problem.coordinates[:, None] - problem.coordinates[used], axis=-1).min(axis=1)
    assert gaps[told[first]["candidate"]] == pytest.approx(gaps.max())
    again = rebuild_agent(agent.spec, problem, json.loads(json.dumps(agent.log)))
    assert again.suggest(3) == agent.suggest(3)


def test_batches_have_audits_that_do_not_count_twice(problem):
    agent = agent_on(problem, "gp", seed_points=4, audit=0.5)
    truth = landscape(problem)
    observed(agent, problem, 4, truth.__getitem__)
    points = agent.suggest(8)
    assert sum(agent.explain(point)["source"] == "audit" for point in points) == 4
    agent.ingest([{"_id": p["_id"], "area": truth[agent.explain(p)["candidate"]], "area_sigma": 0.1} for p in points])
    assert agent.calibration().n <= 1


class Silent(GPAgent):
    """Does not say what noise it believes in."""

    def _noise(self, candidate):
        return math.nan


def test_where_the_noise_is_unknown_there_is_no_audit(problem):
    agent = Silent(spec_for("gp", "optimum", {"seed_points": 3, "audit": 0.5}), problem)
    assert {entry["source"] for entry in drive(agent, problem, 12)} == {"seed", "agent"}
    assert agent.calibration().n == 0
