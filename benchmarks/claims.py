"""The claims of docs/explanation/evidence.md, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probeline.analysis.statistics import Interval, holm, paired_interval, wilcoxon_p
from probeline.core.rng import generator

from .loops import ANY_GOAL, REGRESSION, Record

Array = NDArray[np.float64]
LARGER_IS_BETTER = {"top": True, "optima": True, "regret": False, "regret_recommended": False, "rmse": False,
                    "nlpd": False}  # fmt: skip
DEFAULT = "patch_gp"
CLAIM_BUDGET = 50
# Goal and primary metric of each task that claims are made on.
PRIMARY = {
    "beacon-dkl": ("optimum", "top"),
    "stem-eds-particles": ("map", "rmse"),
    **{f"pfm-{name}": ("optimum", "regret") for name in ("c180", "ac-stripes", "mixed", "grains", "needles")},
}


@dataclass(frozen=True)
class Claim:
    """``agent`` is better than ``against`` in ``metric``, after 50 measurements."""

    task: str
    goal: str
    metric: str
    against: str
    agent: str = DEFAULT


CLAIMS = tuple(
    Claim(task, *primary, other)
    for task, primary in PRIMARY.items()
    for other in ("gp", REGRESSION if primary[1] == "rmse" else "greedy_channel")
)
NET_CLAIMS = tuple(
    Claim(task, *PRIMARY[task], DEFAULT, "dkl")
    for task in ("beacon-dkl", "stem-eds-particles", "pfm-grains", "pfm-needles")
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


def paired(records: Sequence[Record], claim: Claim, budget: int = CLAIM_BUDGET) -> tuple[Array, Array]:
    """Return scores of both sides of a claim on the seeds that both have."""
    ours, theirs = (
        values_by_seed(records, claim.task, agent, claim.goal, budget, claim.metric)
        for agent in (claim.agent, claim.against)
    )
    seeds = sorted(ours.keys() & theirs.keys())
    return np.array([ours[seed] for seed in seeds]), np.array([theirs[seed] for seed in seeds])


def difference(ours: Array, theirs: Array) -> Interval:
    """Return the mean paired difference with its 95 % bootstrap interval."""
    return paired_interval(ours, theirs, rng=generator(0, "bootstrap"))


def judge(records: Sequence[Record], claims: Sequence[Claim]) -> list[Verdict]:
    """Return what became of each claim of one family, p values adjusted over all that were run."""
    pairs = [(claim, *paired(records, claim)) for claim in claims]
    pairs = [pair for pair in pairs if len(pair[1]) > 1]  # development leaves the locked tasks out
    p_values = [wilcoxon_p(ours, theirs) for _, ours, theirs in pairs]
    return [
        Verdict(claim, float(ours.mean()), float(theirs.mean()), difference(ours, theirs), p, float(adjusted))
        for (claim, ours, theirs), p, adjusted in zip(pairs, p_values, holm(p_values), strict=True)
    ]
