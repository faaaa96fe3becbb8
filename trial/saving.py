"""What the attempts say: restricted mean points, and points saved with their interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..analysis.statistics import Interval, paired_interval
from ..core.rng import generator
from .contest import Attempt, Entrant

LEVEL = 0.05
SMALL = 0.1  # a saving below this part of what it takes without an agent is none


@dataclass(frozen=True)
class Score:
    """How one entrant did over all seeds.

    Attributes
    ----------
    entrant : Entrant
    points : float
        Mean number of measurements, those that did not reach the goal counted as the budget
        (restricted mean: Royston & Parmar 2013, doi:10.1186/1471-2288-13-152).
    reached : float
        Part of the seeds that reached the goal.
    cpu_s : float
        Mean CPU-seconds of the agent per point.
    saved_random, saved_best : Interval or None
        Points saved against random points and against the best of those without an agent;
        paired by seed. None for those without an agent.
    """

    entrant: Entrant
    points: float
    reached: float
    cpu_s: float
    saved_random: Interval | None
    saved_best: Interval | None


@dataclass(frozen=True)
class GoalAnswer:
    """Whether an agent would have saved time on the way to one goal.

    Attributes
    ----------
    goal : str
    answer : str
        ``"yes"``, ``"no"`` or ``"undetermined"``.
    agent : str
        The agent with the smallest number of points.
    baseline : str
        The best of those without an agent.
    confidence : float
        Of each interval, such that those of all agents and goals hold together with 95 %.
    scores : tuple of Score
        Of everybody, the fewest points first.
    """

    goal: str
    answer: str
    agent: str
    baseline: str
    confidence: float
    scores: tuple[Score, ...]

    @property
    def best(self) -> Score:
        """The score of the best agent."""
        return self.of(self.agent)

    def of(self, label: str) -> Score:
        """Return the score of one entrant."""
        return next(score for score in self.scores if score.entrant.label == label)


def judge(goal: str, attempts: Mapping[Entrant, Sequence[Attempt]]) -> GoalAnswer:
    """Return what became of one goal.

    ``"yes"``: the points saved by an agent lie above zero, against random points and against the
    best of those without an agent, by intervals that are corrected for all agents and goals
    (Bonferroni).
    ``"no"``: no agent can have saved a tenth of what the best of the others takes. Else
    ``"undetermined"``. The best of the others is chosen after the fact, in its favour.

    Parameters
    ----------
    goal : str
        ``"optimum"`` or ``"map"``.
    attempts : mapping of Entrant to sequence of Attempt
        One per seed, in one order; of all goals.
    """
    taken = {e: np.array([a.points for a in runs], float) for e, runs in attempts.items() if e.goal == goal}
    others = [entrant for entrant in taken if not entrant.is_agent]
    confidence = 1 - LEVEL / sum(entrant.is_agent for entrant in attempts)
    rival = min(others, key=lambda entrant: taken[entrant].mean())
    scores = []
    for entrant, points in taken.items():
        intervals: list[Interval | None] = [None, None]
        if entrant.is_agent:
            rng = generator(0, "bootstrap")
            intervals = [paired_interval(taken[o], points, confidence, rng=rng) for o in (others[0], rival)]
        runs = attempts[entrant]
        reached, cpu_s = np.mean([a.reached for a in runs]), np.mean([a.cpu_s for a in runs])
        scores.append(Score(entrant, float(points.mean()), float(reached), float(cpu_s), *intervals))
    scores.sort(key=lambda score: score.points)
    agents = [score for score in scores if score.entrant.is_agent]
    answer = _answer(agents, float(taken[rival].mean()))
    agent = next(score for score in agents if answer != "yes" or _saves(score))
    return GoalAnswer(goal, answer, agent.entrant.label, rival.label, confidence, tuple(scores))


def _saves(agent: Score) -> bool:
    """Return whether an agent is better than random points and than the best of those without an agent."""
    random, best = agent.saved_random, agent.saved_best
    return bool(random and best and min(random.low, best.low) > 0)


def _answer(agents: Sequence[Score], without: float) -> str:
    if any(_saves(score) for score in agents):
        return "yes"
    if all(score.saved_best and score.saved_best.high < SMALL * without for score in agents):
        return "no"
    return "undetermined"
