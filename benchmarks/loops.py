"""The closed loop without an instrument, and what is noted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import NormalDist
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probeline.agents.protocols import Agent
from probeline.agents.spec import AgentSpec, make_agent, spec_for
from probeline.analysis.scoring import distinct_optima, prediction_scores, simple_regret
from probeline.core.digest import digest
from probeline.trial.loop import closed_loop

from .tasks import Task

Array = NDArray[np.float64]

SEED_POINTS = 10
NORMAL_90 = NormalDist().inv_cdf(0.95)  # half the width of the central 90 %, in standard deviations
REGRESSION = "channel_regression"
AUDITED = "patch_gp, audited"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {AUDITED: ("patch_gp", {"audit": 0.1})}
ANY_GOAL = "any"  # of agents without an acquisition: the same loop whatever is looked for


@dataclass(frozen=True)
class Record:
    """How one loop stood at one budget.

    Attributes
    ----------
    task, agent, goal, seed, budget
        Which loop, and after how many measurements.
    spec : str
        Digest of the agent's specification without its seed.
    regret, regret_recommended : float
        Of the best measured candidate, and of the one that the agent recommends, by the truth.
    top : int
        How many of the best 1 % were measured.
    optima : int
        How many separate regions of the best 1 % were touched.
    hit : int
        How many measurements it took until the first of the best 1 %; 0 while there was none.
    hit_s : float
        The instrument time (s) of that; 0 while there was none.
    rmse, nlpd, coverage : float
        Predictions of candidates that were not measured.
    coverage_outcomes : float
        Share of outcomes at such candidates inside their predicted central 90 % interval, noise included.
    mse_all : float
        Mean squared error over all candidates, measured ones included.
    failed : int
        Measurements below the quality gate; they count towards the budget.
    cpu_s : float
        CPU-seconds per decision since the budget before, seed points left out.
    instrument_s : float
        Instrument time (s) until then: approach, survey, moves and measurements.
    """

    task: str
    agent: str
    goal: str
    seed: int
    budget: int
    spec: str
    regret: float
    regret_recommended: float
    top: int
    optima: int
    hit: int
    hit_s: float
    rmse: float
    nlpd: float
    coverage: float
    coverage_outcomes: float
    mse_all: float
    failed: int
    cpu_s: float
    instrument_s: float


@dataclass(frozen=True)
class Loop:
    """What happened in one loop.

    Attributes
    ----------
    order : ndarray of int, shape (measurement,)
        Candidates as they were measured.
    values : ndarray, shape (measurement,)
        Outcomes; NaN where a measurement failed.
    records : list of Record
        One per budget.
    """

    order: NDArray[np.int64]
    values: Array
    records: list[Record]


def benchmark_spec(agent: str, goal: str, seed: int) -> AgentSpec:
    """Return the specification of ``agent`` with its defaults, or of one of :data:`VARIANTS`."""
    kind, options = VARIANTS.get(agent, (agent, {}))
    return spec_for(kind, goal, {"seed_points": SEED_POINTS, **options}, seed=seed)


def spec_digest(spec: AgentSpec) -> str:
    """Return the fingerprint of ``spec`` without its seed."""
    return digest(spec.model_dump(mode="json", exclude={"seed"}))


def run_loop(task: Task, agent: str, goal: str, budgets: Sequence[int]) -> Loop:
    """Let an agent choose and measure; only suggesting and ingesting count as its CPU time."""
    spec = benchmark_spec(agent, goal, task.seed)
    made = make_agent(spec, task.problem)
    goal = goal if spec.acquisition else ANY_GOAL
    order, values, records = [], [], []
    spent, decided = 0.0, 0
    for number, step in enumerate(islice(closed_loop(made, task.problem, task.measure), max(budgets)), 1):
        order.append(step.candidate)
        values.append(step.scalar.value if step.scalar.flag == "ok" else np.nan)
        spent += step.cpu_s
        decided += 1
        if number == SEED_POINTS:
            spent, decided = 0.0, 0
        if number in budgets:
            began = process_time()
            recommended = _recommended(made, task)  # does a fit that is due, which the next decision then finds done
            fit = process_time() - began
            posterior, noise = made.posterior(), made.explain({"_id": number - 1})["noise"]
            scores = _scores(task, order, recommended, posterior["mean"], posterior["std"], np.nan_to_num(noise))
            costs = {"cpu_s": spent / decided if decided else 0.0, "instrument_s": task.instrument_seconds(order)}
            about = (task.name, agent, goal, task.seed, number, spec_digest(spec))
            records.append(Record(*about, **scores, failed=int(np.isnan(values).sum()), **costs))
            spent, decided = fit, 0
    return Loop(np.array(order), np.array(values), records)


def regression_records(task: Task, loop: Loop, budgets: Sequence[int]) -> list[Record]:
    """Return how a straight line through the image channels predicts, given the points of ``loop``.

    Ordinary least squares of the outcomes on the channels at the candidate; the predicted
    spread is that of the residuals. It measures what ``loop`` measured.
    """
    half = task.problem.patches.shape[2] // 2
    inputs = np.column_stack([np.ones(len(task.problem)), task.problem.patches[:, :, half, half]])
    records = []
    for budget in budgets:
        order, values = loop.order[:budget], loop.values[:budget]
        good = np.isfinite(values)
        weights, *_ = np.linalg.lstsq(inputs[order[good]], values[good], rcond=None)
        mean = inputs @ weights
        residual = values[good] - mean[order[good]]
        std = np.sqrt(np.sum(residual**2) / max(1, good.sum() - inputs.shape[1]))
        best = int(order[good][np.argmax(mean[order[good]])])
        scores = _scores(task, order.tolist(), best, mean, np.full_like(mean, std))
        costs = {"cpu_s": 0.0, "instrument_s": task.instrument_seconds(order.tolist())}
        about = (task.name, REGRESSION, ANY_GOAL, task.seed, budget, "")
        records.append(Record(*about, **scores, failed=int((~good).sum()), **costs))
    return records


def _recommended(agent: Agent, task: Task) -> int:
    _, place, _ = agent.get_best_points()[0]
    return task.problem.nearest(*(place[name] for name in task.problem.dofs))


def _scores(
    task: Task, order: Sequence[int], recommended: int, mean: Array, std: Array, noise: float = 0.0
) -> dict[str, Any]:
    predicted = prediction_scores(task.truth, mean, np.maximum(std, 1e-12), order, noise=task.truth_noise(mean))
    found = np.flatnonzero(np.isin(order, task.best))
    hit = int(found[0]) + 1 if found.size else 0
    return {
        "regret": simple_regret(task.peaks, order) / task.regret_unit,
        "regret_recommended": simple_regret(task.peaks, [recommended]) / task.regret_unit,
        "top": found.size,
        "optima": distinct_optima(task.regions, order),
        "hit": hit,
        "hit_s": task.instrument_seconds(order[:hit]) if hit else 0.0,
        "rmse": predicted.rmse,
        "nlpd": predicted.nlpd,
        "coverage": predicted.coverage90,
        "coverage_outcomes": _coverage_outcomes(task, order, mean, np.hypot(std, noise)),
        "mse_all": float(np.mean((mean - task.truth) ** 2)),
    }


def _coverage_outcomes(task: Task, order: Sequence[int], mean: Array, std: Array) -> float:
    candidate, value, sigma = task.probes
    unseen = ~np.isin(candidate, order)
    at = candidate[unseen]
    error = np.abs(value[unseen] - mean[at])
    return float(np.mean(error <= NORMAL_90 * np.hypot(std[at], sigma[unseen])))
