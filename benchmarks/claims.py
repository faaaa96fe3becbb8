"""The claims of docs/explanation/evidence.md, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probeline.analysis.statistics import Interval, holm, paired_interval, wilcoxon_p
from probeline.core.rng import generator

from .loops import ANY_GOAL, REGRESSION, Record

LARGER_IS_BETTER = {"top": True, "optima": True, "regret": False, "regret_recommended": False, "rmse": False,
                    "nlpd": False}  # fmt: skip
DEFAULT = "patch_gp"
CLAIM_BUDGET = 50


@dataclass(frozen=True)
class Claim:
    """The default agent is better than ``against`` in ``metric``, after 50 measurements."""

    task: str
    goal: str
    metric: str
    against: str


CLAIMS = (
    *(Claim("beacon-dkl", "optimum", "top", other) for other in ("gp", "greedy_channel")),
    *(Claim("stem-eds-particles", "map", "rmse", other) for other in ("gp", REGRESSION)),
    *(
        Claim(task, "optimum", "regret", other)
        for task in ("pfm-c180", "pfm-ac-stripes", "pfm-mixed")
        for other in ("gp", "greedy_channel")
    ),
)


@dataclass(frozen=True)
class Verdict:
    """A claim with its evidence: mean scores, paired difference, p value adjusted for the family."""

    claim: Claim
    ours: float
    theirs: float
    difference: Interval
    p_value: float
    p_holm: float

    @property
    def outcome(self) -> str:
        """``"holds"``, ``"refuted"`` or ``"open"``."""
        if self.p_holm >= 0.05:
            return "open"
        gained = self.difference.mean_difference > 0
        return "holds" if gained == LARGER_IS_BETTER[self.claim.metric] else "refuted"


def values_by_seed(
    records: Sequence[Record], task: str, agent: str, goal: str, budget: int, metric: str
) -> dict[int, float]:
    """Return one score per seed."""
    return {
        record.seed: float(getattr(record, metric))
        for record in records
        if (record.task, record.agent, record.budget) == (task, agent, budget) and record.goal in (goal, ANY_GOAL)
    }


def paired(
    records: Sequence[Record], task: str, goal: str, budget: int, metric: str, against: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores of the default agent and of ``against`` on the seeds that both have."""
    ours = values_by_seed(records, task, DEFAULT, goal, budget, metric)
    theirs = values_by_seed(records, task, against, goal, budget, metric)
    seeds = sorted(ours.keys() & theirs.keys())
    return np.array([ours[seed] for seed in seeds]), np.array([theirs[seed] for seed in seeds])


def difference(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Interval:
    """Return the mean paired difference with its 95 % bootstrap interval."""
    return paired_interval(ours, theirs, rng=generator(0, "bootstrap"))


def judge(records: Sequence[Record], claims: Sequence[Claim] = CLAIMS) -> list[Verdict]:
    """Return what became of each claim, p values adjusted over all of them."""
    pairs = [paired(records, c.task, c.goal, CLAIM_BUDGET, c.metric, c.against) for c in claims]
    p_values = [wilcoxon_p(ours, theirs) for ours, theirs in pairs]
    return [
        Verdict(claim, float(ours.mean()), float(theirs.mean()), difference(ours, theirs), p, float(adjusted))
        for claim, (ours, theirs), p, adjusted in zip(claims, pairs, p_values, holm(p_values), strict=True)
    ]
