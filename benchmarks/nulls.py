"""Does an agent report a relation between image and property where there is none?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from probeline.agents.base import seed_order
from probeline.agents.spec import make_agent

from .loops import benchmark_spec
from .tasks import Task

TRAINING = 50
AUDIT = 50
LEVEL = 0.05


@dataclass(frozen=True)
class RelationCheck:
    """Whether patches predicted random audit points better than coordinates alone, and than no model.

    Attributes
    ----------
    task, seed
        Which world.
    p_value : float
        The larger one of two one-sided signed-rank tests on the absolute errors: against the
        reference agent, and against the mean of the training outcomes. Both must be passed
        (intersection-union test: Berger 1982, doi:10.1080/00401706.1982.10487790).
    gain : float
        Mean absolute error of the reference agent minus that with patches, in the unit of the objective.
    """

    task: str
    seed: int
    p_value: float
    gain: float

    @property
    def reported(self) -> bool:
        """Whether the run would claim a relation."""
        return self.p_value < LEVEL


def check_relation(task: Task, agent: str = "patch_gp", reference: str = "gp") -> RelationCheck:
    """Give both agents the same random outcomes, let them and their mean predict further random ones.

    Points come from the seeded uniform order; those whose measurement fails are passed over.
    """
    order, outcomes = [], []
    for candidate in seed_order(task.problem, task.seed):
        scalar = task.measure(int(candidate))
        if scalar.flag == "ok":
            order.append(int(candidate))
            outcomes.append((scalar.value, scalar.sigma))
        if len(order) == TRAINING + AUDIT:
            break
    audit = np.array(order[TRAINING:])
    found = np.array([value for value, _ in outcomes[TRAINING:]])
    ours, theirs = (np.abs(_predicted(task, kind, order, outcomes)[audit] - found) for kind in (agent, reference))
    constant = np.abs(np.mean([value for value, _ in outcomes[:TRAINING]]) - found)
    p_value = max(float(wilcoxon(other, ours, alternative="greater").pvalue) for other in (theirs, constant))
    return RelationCheck(task.name, task.seed, p_value, float(np.mean(theirs - ours)))


def _predicted(task: Task, kind: str, order: list[int], outcomes: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Return the posterior mean after the first outcomes, shape (candidate,)."""
    problem = task.problem
    made = make_agent(benchmark_spec(kind, "map", task.seed), problem)
    points = []
    for candidate, (value, sigma) in zip(order[:TRAINING], outcomes, strict=False):
        place = dict(zip(problem.dofs, problem.points[candidate].tolist(), strict=True))
        known = {f"{problem.objective}_sigma": sigma} if np.isfinite(sigma) else {}
        points.append({**place, problem.objective: value, **known})
    made.ingest(points)
    return made.posterior()["mean"]
