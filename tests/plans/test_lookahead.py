"""With lookahead 1 the agent thinks while the instrument measures, and at no other time."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from probeline.agents.spec import make_agent
from probeline.catalog import decisions, replay
from probeline.plans import closed_loop
from probeline.plans.explore import explore_with
from probeline.plans.settings import resolve
from probeline.sim.pfm.driver import PFMDriver

POINTS = 6
PATIENCE = 30  # seconds after which a test that waits for nothing fails


class Leisurely:
    """An agent that thinks about a decision only once the measurement before it has begun."""

    def __init__(self, agent, begun):
        self._agent, self._begun = agent, begun
        self.in_time = []

    def __getattr__(self, name):
        return getattr(self._agent, name)

    def _wait(self, number):
        if 0 <= number < POINTS:
            self.in_time.append(self._begun[number].wait(PATIENCE))

    def suggest(self, count):
        self._wait(self._agent.decisions - 1)
        return self._agent.suggest(count)

    def posterior(self):
        self._wait(self._agent.decisions - 1)
        return self._agent.posterior()


@pytest.fixture
def begun(monkeypatch):
    """Events that are set when the measurements begin."""
    events, count = [threading.Event() for _ in range(POINTS)], iter(range(POINTS))
    whole = PFMDriver.start_spectrum

    def noticed(self, *args, **kwargs):
        events[next(count)].set()
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(PFMDriver, "start_spectrum", noticed)
    monkeypatch.setattr(closed_loop, "POSTERIOR_EVERY", 2)
    return events


def test_nothing_is_thought_while_the_instrument_waits(pfm, begun):
    settings = resolve(
        pfm.instrument.spec, pfm.instrument.description, goal="optimum", objective=None, objective_options=None,
        agent="gp", agent_options={"audit": 0}, points=POINTS, size_nm=640.0, pixels=16, patch_nm=200.0, seed_points=2,
        seconds=None, roi=None, exclude=None, lookahead=1, register_every=0,
    )  # fmt: skip
    made = []

    def factory(problem):
        made.append(Leisurely(make_agent(settings.agent, problem), begun))
        return made[0]

    (uid,) = pfm.RE(partial(explore_with, pfm.instrument, settings, factory)())
    assert len(made[0].in_time) >= POINTS
    assert all(made[0].in_time)
    run = pfm.catalog[uid]
    assert list(decisions(run)["n_seen"]) == [max(0, k - 1) for k in range(POINTS)]
    assert list(run.stream("posterior")["decision"].values) == [2, 4, POINTS]
    assert replay(run).exact
