"""Why a point was measured: in words and in a picture, from the record alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..agents.problem import Problem
from ..core.errors import LimitError
from .player import Row, outcomes_before, rebuilt, rows_of, told
from .reading import as_run
from .reasons import reason_in_words
from .replaying import block_of, maker_of, problem_of, recorded
from .run import Run

_NEIGHBOURS = 3


@dataclass(frozen=True)
class Reason:
    """Why one point was measured.

    Attributes
    ----------
    decision : int
        Its number.
    text : str
        In words, a sentence per line.
    facts : dict
        The same as numbers, JSON.
    png : bytes
        The same as a picture: the patch of the survey, and the acquisition as it was before the decision.
    """

    decision: int
    text: str
    facts: dict[str, Any]
    png: bytes


@dataclass(frozen=True)
class Moment:
    """What was known just before a decision.

    Attributes
    ----------
    row, outcome : mapping
        The decision; what came of it, None when nothing was recorded.
    candidate : int
        The candidate that was measured.
    known : sequence of (int, mapping)
        Candidate and outcome of everything measured before, in order.
    mean, std, acquisition : ndarray, shape (candidate,)
        What the agent believed.
    """

    row: Row
    outcome: Row | None
    candidate: int
    known: Sequence[tuple[int, Row]]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    acquisition: NDArray[np.float64]


def why(run: Any, point: int | tuple[float, float]) -> Reason:
    """Return why a point was measured: what was predicted there, how it ranked, what was known.

    The agent is rebuilt from the record and asked what it believed just before it decided.

    Parameters
    ----------
    run : Run or BlueskyRun
        A run of :func:`~probeline.plans.explore`, finished or not.
    point : int, or tuple of float
        Number of the decision; or (x, y) in nm, sample frame: then the decision nearest to it.

    Raises
    ------
    LimitError
        When there is no such decision.
    DataError
        When the run recorded no decisions, or lacks what its agent was made of.
    """
    from .report.reason import reason_picture

    run = as_run(run)
    rows = recorded(run)
    row = _row(rows, point)
    problem = problem_of(run)
    moment = _moment(run, problem, rows, row)
    facts = _facts(run, problem, moment)
    text = reason_in_words(facts, block_of(run), ended=run.stop is not None)
    return Reason(row["decision"], text, facts, reason_picture(run, problem, moment))


def _row(rows: Sequence[Row], point: int | tuple[float, float]) -> Row:
    if isinstance(point, tuple):
        x, y = point
        away = [math.hypot(row["x"] - x, row["y"] - y) for row in rows]
        return rows[int(np.argmin(np.nan_to_num(away, nan=np.inf)))]  # what was refused may lie nowhere
    found = [row for row in rows if row["decision"] == point]
    if not found:
        numbers = f"{rows[0]['decision']} to {rows[-1]['decision']}"
        raise LimitError("decision", point, f"{numbers} in this run", remedy="give the number of a decision")
    return found[0]


def _moment(run: Run, problem: Problem, rows: Sequence[Row], row: Row) -> Moment:
    outcomes = rows_of(run, "outcome")
    before = [other for other in rows if other["decision"] < row["decision"]]
    player = rebuilt(maker_of(run), problem, before, outcomes)
    player.feed(outcomes_before(row))
    belief = player.agent.posterior()
    places = {other["decision"]: problem.nearest(other["x"], other["y"]) for other in rows}
    heard = told(rows, outcomes)[: outcomes_before(row)]
    known = [(places[out["decision"]], out) for out in heard if math.isfinite(out["objective"])]
    outcome = next((out for out in outcomes if out["decision"] == row["decision"]), None)
    maps = {name: np.asarray(belief[name], float) for name in ("mean", "std", "acquisition")}
    # What was refused may lie nowhere near a candidate; the agent meant one all the same.
    refused = outcome is not None and outcome["status"] == "refused" and 0 <= row["candidate"] < len(problem)
    return Moment(row, outcome, row["candidate"] if refused else places[row["decision"]], known, **maps)


def _facts(run: Run, problem: Problem, moment: Moment) -> dict[str, Any]:
    row, chosen = moment.row, moment.candidate
    free = np.isfinite(moment.acquisition)
    names = ("decision", "candidate", "source", "rank", "n_seen", "n_failed", "inherited")
    facts = {name: row[name] for name in names}
    facts |= {name: _finite(row.get(name)) for name in ("x", "y", "mean", "std", "noise", "acquisition")}
    facts |= {
        "run": run.uid,
        "candidates": len(problem),
        "open": int(free.sum()) or None,
        "best": _best(run, moment),
        "mean_above": _share_below(_sign(run) * moment.mean, chosen, free),
        "std_above": _share_below(moment.std, chosen, free),
        "nearest": _nearest(moment, np.hypot(*(problem.points - problem.points[chosen]).T), "distance_nm"),
    }
    if problem.patches.shape[1]:
        away = np.sqrt(((problem.patches - problem.patches[chosen]) ** 2).mean(axis=(1, 2, 3)))
        facts["most_alike"] = _nearest(moment, away, "difference")
    if moment.outcome is not None:
        names = ("status", "reason", "flag", "objective", "sigma")
        facts["outcome"] = {name: _finite(moment.outcome[name]) for name in names}
    return facts


def _sign(run: Run) -> float:
    return -1.0 if block_of(run)["agent"]["direction"] == "min" else 1.0


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _share_below(values: NDArray[np.float64], chosen: int, free: NDArray[np.bool_]) -> float | None:
    """Return the share of the other open candidates that a value is above; None without any, or where all are equal."""
    others = free.copy()
    others[chosen] = False
    if not (np.isfinite(values[chosen]) and others.any()) or np.ptp(values[others]) == 0:
        return None
    return float(np.mean(values[others] < values[chosen]))


def _best(run: Run, moment: Moment) -> dict[str, Any] | None:
    """Return the best outcome that was known, None before the first."""
    outcomes = [outcome for _, outcome in moment.known]
    if not outcomes:
        return None
    best = max(outcomes, key=lambda outcome: _sign(run) * outcome["objective"])
    return {name: _finite(best[name]) for name in ("decision", "objective", "sigma")}


def _nearest(moment: Moment, away: NDArray[np.float64], name: str) -> list[dict[str, Any]]:
    """Return the measured points that are least ``away``, nearest first."""
    known = sorted(moment.known, key=lambda pair: away[pair[0]])[:_NEIGHBOURS]
    return [
        {"decision": out["decision"], name: float(away[place]), "objective": out["objective"]} for place, out in known
    ]
