"""Worlds in which one of several laws holds, and how their outcomes are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probeline.agents.laws.agents import HypothesisAgent
from probeline.agents.laws.expressions import Expression
from probeline.agents.laws.library import LIBRARY
from probeline.agents.problem import Problem, grid_problem
from probeline.agents.spec import make_agent, spec_for
from probeline.core.rng import generator

Array = NDArray[np.float64]

PIECEWISE, EXPONENT = {"prior": "uniform", "low": 0.5, "high": 2.0}, {"prior": "normal", "mean": 3.0, "std": 1.0}
# The published toy: its laws, their priors, its noise prior LogNormal(0, 1) of the variance, its four first points.
TOY_LAWS = (
    {"name": "power, then line", "expression": "where(x < t, x**b, c * x)"},
    {"name": "two lines", "expression": "where(x < t, b * x, c * x)"},
    {"name": "two powers", "expression": "where(x < t, x**b, x**c)"},
)
TOY_NOISE = {"prior": "lognormal", "median": 1.0, "factor": float(np.exp(0.5))}
TOY_START = (0, 33, 66, 99)
TOY = grid_problem({"x": np.linspace(0.0, 2.5, 100)}, {"x": ""}, objective="y")

GROWTH_LAWS = tuple(f"domain_growth_{name}" for name in ("thermodynamic", "logarithmic", "power", "activated"))
GROWTH = grid_problem(
    {"voltage": np.linspace(2.0, 10.0, 17), "duration": np.logspace(-4, 1, 11)},
    {"voltage": "V", "duration": "s"},
    objective="radius",
)
NOISE_NM, NOISE_SHARE = 8.0, 0.1


@dataclass(frozen=True)
class World:
    """Outcomes that measurements would give, and which law is behind them.

    Attributes
    ----------
    problem : Problem
        Settings that can be tried.
    law : str
        Name of the law that holds.
    outcomes : ndarray, shape (candidate,)
        What is measured at each.
    sigma : float
        Uncertainty that each outcome states; NaN where it states none.
    options : dict
        What the agent is told.
    start : tuple of int
        Candidates that are measured first.
    """

    problem: Problem
    law: str
    outcomes: Array
    sigma: float
    options: dict[str, Any]
    start: tuple[int, ...]


def toy(seed: int, *, exact: bool = True) -> World:
    """Return the toy of hypothesis learning: x^4 below 1.6 and x^2.5 above, noise 0.33."""
    x = TOY.points[:, 0]
    noise = 0.33 * generator(seed, "toy").standard_normal(len(x))
    laws = [{**law, "parameters": _toy_priors(law["expression"])} for law in TOY_LAWS]
    options = {"laws": laws, "noise": TOY_NOISE, "discrepancy": not exact}
    return World(TOY, "two powers", np.where(x < 1.6, x**4, x**2.5) + noise, np.nan, options, TOY_START)


def growth(seed: int) -> World:
    """Return a world of domain growth, drawn from the prior, at the hard setting: noise of 8 nm and 10 %."""
    rng = generator(seed, "growth")
    law = LIBRARY[GROWTH_LAWS[rng.integers(len(GROWTH_LAWS))]]
    radius = law.values(law.settings(GROWTH, {}), rng.standard_normal((1, len(law.parameters))))[0]
    return _growth_world(law.name, radius, rng)


def no_law(seed: int) -> World:
    """Return a world whose radii are a smooth random function of the settings that no law describes."""
    rng = generator(seed, "no law")
    place = GROWTH.coordinates[:, :, None] * rng.normal(0, 1 / 0.3, (2, 200))
    wave = np.cos(place.sum(axis=1) + rng.uniform(0, 2 * np.pi, 200)) @ rng.standard_normal(200) / 10
    return _growth_world("none of these", 40 + 25 * wave, rng)


def hypothesis(world: World, rule: str, seed: int) -> HypothesisAgent:
    """Return an agent that chooses by ``rule``, ``"random"`` or an acquisition, after the world's first points."""
    choice = {"seed_points": 10_000} if rule == "random" else {"seed_points": 1, "acquisition": rule}
    made = make_agent(spec_for("hypothesis", "map", {**world.options, **choice}, seed=seed), world.problem)
    assert isinstance(made, HypothesisAgent)
    tell(made, world, made.register_suggestions([dofs(world, candidate) for candidate in world.start]))
    return made


def tell(agent: HypothesisAgent, world: World, suggestions: Sequence[Any]) -> None:
    """Measure ``suggestions`` and tell the agent."""
    name = world.problem.objective
    stated = {} if np.isnan(world.sigma) else {f"{name}_sigma": world.sigma}
    for point in suggestions:
        candidate = agent.explain(point)["candidate"]
        agent.ingest([{"_id": point["_id"], name: float(world.outcomes[candidate]), **stated}])


def dofs(world: World, candidate: int) -> dict[str, float]:
    """Return the settings of a candidate by name."""
    return dict(zip(world.problem.dofs, world.problem.points[candidate].tolist(), strict=True))


def _growth_world(law: str, radius: Array, rng: np.random.Generator) -> World:
    noise = np.hypot(NOISE_NM, NOISE_SHARE * radius) * rng.standard_normal(len(radius))
    options = {"laws": list(GROWTH_LAWS), "relative_noise": NOISE_SHARE, "none_of_these": law not in LIBRARY}
    start = tuple(int(candidate) for candidate in rng.permutation(len(radius))[:3])
    return World(GROWTH, law, radius + noise, NOISE_NM, options, start)


def _toy_priors(expression: str) -> dict[str, Any]:
    return {name: PIECEWISE if name == "t" else EXPONENT for name in sorted(Expression(expression).names - {"x"})}
