import pytest

from probeline.agents.baselines import RandomAgent
from probeline.agents.check import check_agent
from probeline.agents.spec import make_agent, spec_for
from probeline.core.registry import AGENTS

from .worlds import QUICK, small_problem


@pytest.mark.parametrize("kind", AGENTS.names())
def test_every_registered_agent_conforms(kind):
    problem = small_problem(separation_nm=11)  # as a checkerboard: room for 72
    spec = spec_for(kind, "optimum", {"seed_points": 5, **QUICK.get(kind, {})})
    check_agent(lambda seed: make_agent(spec.model_copy(update={"seed": seed}), problem), problem)


class Forgetful(RandomAgent):
    """Suggests the same candidate for ever."""

    def suggest(self, num_points=None):
        points = super().suggest(num_points)
        return [{**point, "x": self.problem.points[0, 0], "y": self.problem.points[0, 1]} for point in points]


class Restless(RandomAgent):
    """Depends on how often it was asked."""

    def posterior(self):
        self._order = self._order[::-1].copy()
        return super().posterior()


class Credulous(RandomAgent):
    """Believes not-a-number."""

    def ingest(self, points):
        good = [point for point in points if point.get("area") == point.get("area")]
        super().ingest(good)


class Hasty(RandomAgent):
    """Gives every outcome to the newest suggestion."""

    def ingest(self, points):
        open_ones = list(self._ledger.pending)
        super().ingest([{**point, "_id": open_ones[-1 - n]} for n, point in enumerate(points) if open_ones])


class Sure(RandomAgent):
    """Drops what is said about uncertainty."""

    def ingest(self, points):
        super().ingest([{key: value for key, value in point.items() if key != "area_sigma"} for point in points])


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Forgetful, "lies at its candidate"), (Restless, "changes nothing"), (Credulous, "nan"),
        (Hasty, "newest|order"), (Sure, "sigma"),
    ],
)  # fmt: skip
def test_broken_agents_are_found_out(problem, kind, promise):
    with pytest.raises(AssertionError, match=promise):
        check_agent(lambda seed: kind(spec_for("random", "optimum", seed=seed), problem), problem)


def test_too_small_a_problem_is_refused():
    for small in (small_problem(pixels=8), small_problem(separation_nm=35)):
        with pytest.raises(ValueError, match="64 candidates and room for 32"):
            check_agent(lambda seed, small=small: make_agent(spec_for("random", "optimum", seed=seed), small), small)


def test_an_agent_that_ignores_its_direction_is_found_out(problem, monkeypatch):
    monkeypatch.setattr(RandomAgent, "_sign", 1.0)
    with pytest.raises(AssertionError, match="direction"):
        check_agent(lambda seed: RandomAgent(spec_for("random", "optimum", seed=seed), problem), problem)
