"""Loops over worlds with a law: which rule of choice finds the law, and how soon; and what exact inference says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from probeline.agents.laws.agents import HypothesisAgent
from probeline.agents.laws.law import known_law
from probeline.core.rng import generator

from .law_worlds import World, dofs, hypothesis, tell

Array = NDArray[np.float64]

PUBLISHED = "published rule"
EPSILON, WARM_UP = 0.4, 3  # of the published rule
_NODES, _REACH = 45, 4.5  # per parameter, in standard deviations of its prior


@dataclass(frozen=True)
class Course:
    """How one loop went.

    Attributes
    ----------
    right : ndarray, shape (measurement + 1,)
        Probability of the law that holds after that many measurements; NaN before the first points.
    probable : dict of int to dict
        Probability of each law, after some numbers of measurements.
    order : list of int
        Candidates, as they were measured.
    voted : str
        Law that the published rule rewards most at the end; empty for other rules.
    """

    right: Array
    probable: dict[int, dict[str, float]]
    order: list[int]
    voted: str = ""


def run(world: World, rule: str, seed: int, measurements: int) -> Course:
    """Let ``rule`` choose: an acquisition, ``"random"`` or the published rule."""
    bandit = Bandit(seed) if rule == PUBLISHED else None
    agent = hypothesis(world, "max_variance" if bandit else rule, seed)
    order, probable = list(world.start), {}
    right = np.full(measurements + 1, np.nan)
    for number in range(len(order), measurements + 1):
        probable[number] = agent.probabilities()
        right[number] = probable[number][world.law]
        if number < measurements:
            chosen = agent.register_suggestions([dofs(world, bandit.choose(agent))]) if bandit else agent.suggest()
            order.append(int(agent.explain(chosen[0])["candidate"]))
            tell(agent, world, chosen)
    return Course(right, probable, order, bandit.favourite() if bandit else "")


class Bandit:
    """The published rule of choice: Ziatdinov et al. (2021), doi:10.48550/arXiv.2112.06649, algorithm 1.

    A law earns a reward when the median variance of its predictions is less than the last one that was
    recorded. The next point is where the variance of one law is largest: the most rewarded, or with
    probability epsilon any. In a warm-up, the law with the smallest median variance earns the reward and chooses.

    Parameters
    ----------
    seed : int
        Of the choices at random.
    """

    def __init__(self, seed: int):
        self._rng = generator(seed, "bandit")
        self._rewards: dict[str, list[float]] = {}
        self._median = np.inf
        self._steps = 0

    def choose(self, agent: HypothesisAgent) -> int:
        """Return the candidate to measure next."""
        free = np.isfinite(agent.posterior()["acquisition"])
        variance = {name: told.variance for name, told in agent.predictions().items() if name != "none of these"}
        median = {name: float(np.median(found[free])) for name, found in variance.items()}
        for name in variance:
            self._rewards.setdefault(name, [])
        if self._steps < WARM_UP:
            law = min(median, key=lambda name: median[name])
            for name, rewards in self._rewards.items():
                rewards.append(float(name == law))
        else:
            law = self._pick()
            self._rewards[law].append(1.0 if median[law] < self._median else -1.0)
        self._median, self._steps = median[law], self._steps + 1
        return int(np.argmax(np.where(free, variance[law], -np.inf)))

    def favourite(self) -> str:
        """Return the law with the largest mean reward."""
        return max(self._rewards, key=lambda name: float(np.mean(self._rewards[name])))

    def _pick(self) -> str:
        names = list(self._rewards)
        return self.favourite() if self._rng.random() > EPSILON else names[self._rng.integers(len(names))]


def exact_probabilities(world: World, order: Sequence[int]) -> dict[str, float]:
    """Return the probability of each law by numerical integration over its parameters.

    For laws that are exact and noise that is known: the best that anybody can know of the laws from
    these outcomes.
    """
    evidence = {name: _evidence(world, name, np.asarray(order)) for name in world.options["laws"]}
    total = logsumexp(list(evidence.values()))
    return {name: float(np.exp(found - total)) for name, found in evidence.items()}


def _evidence(world: World, name: str, order: NDArray[np.int64]) -> float:
    law, outcomes = known_law(name), world.outcomes[order]
    settings = {argument: column[order] for argument, column in law.settings(world.problem, {}).items()}
    axis = np.linspace(-_REACH, _REACH, _NODES)
    z = np.stack(np.meshgrid(*[axis] * len(law.parameters), indexing="ij"), -1).reshape(-1, len(law.parameters))
    prior = -0.5 * np.sum(z**2, axis=1) - len(law.parameters) * np.log(np.sqrt(2 * np.pi) / (axis[1] - axis[0]))
    parts = []
    for block in np.array_split(np.arange(len(z)), max(1, len(z) * len(order) // 2**19)):
        mean = law.values(settings, z[block])
        variance = world.sigma**2 + (world.options["relative_noise"] * mean) ** 2
        misfit = np.sum((outcomes - mean) ** 2 / variance + np.log(2 * np.pi * variance), axis=1)
        parts.append(float(logsumexp(prior[block] - 0.5 * misfit)))
    return float(logsumexp(parts))
