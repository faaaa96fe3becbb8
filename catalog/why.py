"""Why a point was measured: in words and in a picture, from the record alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..agents.problem import Problem
from ..core.errors import UnknownNameError
from .player import Row, outcomes_before, rebuilt, rows_of
from .reading import as_run
from .replaying import block_of, maker_of, problem_of, recorded
from .report.numbers import measured, number, position
from .run import Run

_NEIGHBOURS = 3
_HIGH, _LOW = 0.9, 0.5  # shares of the open candidates below which a value is called high, or not


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
    UnknownNameError
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
    return Reason(row["decision"], _words(run, moment, facts), facts, reason_picture(run, problem, moment))


def _row(rows: Sequence[Row], point: int | tuple[float, float]) -> Row:
    if isinstance(point, tuple):
        x, y = point
        return min(rows, key=lambda row: math.hypot(row["x"] - x, row["y"] - y))
    found = [row for row in rows if row["decision"] == point]
    if not found:
        numbers = f"{rows[0]['decision']} to {rows[-1]['decision']}"
        raise UnknownNameError("decision", point, [], f"This run has decisions {numbers}.")
    return found[0]


def _moment(run: Run, problem: Problem, rows: Sequence[Row], row: Row) -> Moment:
    outcomes = rows_of(run, "outcome")
    before = [other for other in rows if other["decision"] < row["decision"]]
    player = rebuilt(maker_of(run), problem, before, outcomes)
    player.feed(outcomes_before(row))
    belief = player.agent.posterior()
    places = {other["decision"]: problem.nearest(other["x"], other["y"])[0] for other in rows}
    known = [(places[out["decision"]], out) for out in outcomes[: outcomes_before(row)] if out["status"] == "ok"]
    outcome = next((out for out in outcomes if out["decision"] == row["decision"]), None)
    maps = {name: np.asarray(belief[name], float) for name in ("mean", "std", "acquisition")}
    return Moment(row, outcome, places[row["decision"]], known, **maps)


def _facts(run: Run, problem: Problem, moment: Moment) -> dict[str, Any]:
    row, chosen = moment.row, moment.candidate
    free = np.isfinite(moment.acquisition)
    facts = {name: row[name] for name in ("decision", "candidate", "x", "y", "source", "rank", "n_seen", "n_failed")}
    facts |= {name: _finite(row[name]) for name in ("mean", "std", "acquisition")}
    facts |= {
        "run": run.uid,
        "candidates": len(problem),
        "open": int(free.sum()) or None,
        "mean_above": _share_below(moment.mean, chosen, free, sign=_sign(run)),
        "std_above": _share_below(moment.std, chosen, free),
        "nearest": _nearest(problem, moment, np.hypot(*(problem.xy - problem.xy[chosen]).T), "distance_nm"),
    }
    if problem.patches.shape[1]:
        away = np.sqrt(((problem.patches - problem.patches[chosen]) ** 2).mean(axis=(1, 2, 3)))
        facts["most_alike"] = _nearest(problem, moment, away, "difference")
    if moment.outcome is not None:
        facts["outcome"] = {name: _finite(moment.outcome[name]) for name in ("status", "reason", "objective", "sigma")}
    return facts


def _sign(run: Run) -> float:
    return -1.0 if block_of(run)["agent"]["direction"] == "min" else 1.0


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _share_below(values: NDArray[np.float64], chosen: int, free: NDArray[np.bool_], *, sign: float = 1.0) -> Any:
    """Return the share of the open candidates that a value is better than; None without values."""
    if not np.isfinite(values[chosen]) or not free.any():
        return None
    return float(np.mean(sign * values[free] < sign * values[chosen]))


def _nearest(problem: Problem, moment: Moment, away: NDArray[np.float64], name: str) -> list[dict[str, Any]]:
    """Return the measured points that are least ``away``, nearest first."""
    known = sorted(moment.known, key=lambda pair: away[pair[0]])[:_NEIGHBOURS]
    return [
        {"decision": out["decision"], name: float(away[place]), "objective": out["objective"]} for place, out in known
    ]


def _words(run: Run, moment: Moment, facts: dict[str, Any]) -> str:
    about = block_of(run)
    unit, agent = about["objective"]["unit"], about["agent"]
    lines = [_choice(facts, agent), _known(moment, facts, about)]
    if facts["mean"] is not None and facts["std"] is not None:
        lines.append(f"It expected {measured(facts['mean'], facts['std'], unit)} there.")
        lines += [_weighed(facts, agent)] if facts["source"] in ("agent", "fallback") else []
    for key, what in (("nearest", "distance_nm"), ("most_alike", "difference")):
        if facts.get(key):
            lines.append(_neighbours(facts[key], what, unit))
    lines.append(_came_of_it(facts, unit))
    return "\n".join(lines)


def _choice(facts: dict[str, Any], agent: dict[str, Any]) -> str:
    place = f"Decision {facts['decision']} chose {position(facts['x'], facts['y'])}"
    if facts["source"] == "seed":
        return (
            f"{place}: one of the {agent['seed_points']} points of the seed design, drawn at random (seed "
            f"{agent['seed']}) before the model decides; what the agent believed did not matter."
        )
    if facts["source"] == "external":
        return f"{place}: it was chosen by somebody else and adopted."
    rank = "the best" if facts["rank"] == 0 else f"number {facts['rank'] + 1}"
    kind = f"{agent['kind']} by {agent['acquisition'].replace('_', ' ')}" if agent["acquisition"] else agent["kind"]
    fallback = " An earlier fit stood in, because the last one failed." if facts["source"] == "fallback" else ""
    return f"{place}: {rank} of {facts['open']} open candidates for the agent {kind}.{fallback}"


def _known(moment: Moment, facts: dict[str, Any], about: dict[str, Any]) -> str:
    seen = _counted(facts["n_seen"], "outcome")
    failed = f" and {_counted(facts['n_failed'], 'failure')}" if facts["n_failed"] else ""
    if not moment.known:
        return f"It knew {seen}{failed}."
    sign = -1 if about["agent"]["direction"] == "min" else 1
    best = max((out for _, out in moment.known), key=lambda out: sign * out["objective"])
    value = measured(best["objective"], best["sigma"], about["objective"]["unit"])
    return f"It knew {seen}{failed}, the best of them {value} (decision {best['decision']})."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _weighed(facts: dict[str, Any], agent: dict[str, Any]) -> str:
    mean, std = facts["mean_above"], facts["std_above"]
    if mean is None or std is None:
        return "It had no model yet that tells candidates apart."
    shares = (
        f"Its expected value is better than that of {100 * mean:.0f} % of the open candidates, its uncertainty larger "
        f"than that of {100 * std:.0f} %"
    )
    if agent["acquisition"] in ("max_variance", "integrated_variance"):
        return f"{shares}: this acquisition weighs uncertainty alone."
    if mean >= _HIGH and std < _LOW:
        return f"{shares}: it was chosen for its value."
    if std >= _HIGH and mean < _LOW:
        return f"{shares}: it was chosen to learn."
    return f"{shares}: value and uncertainty both spoke for it."


def _neighbours(found: list[dict[str, Any]], what: str, unit: str) -> str:
    def one(near: dict[str, Any]) -> str:
        away = f"{near[what]:.0f} nm away" if what == "distance_nm" else f"difference {near[what]:.2g}"
        return f"decision {near['decision']} ({away}) gave {number(near['objective'], unit)}"

    title = "Nearest measured" if what == "distance_nm" else "Most alike in the image"
    return f"{title}: {'; '.join(map(one, found))}."


def _came_of_it(facts: dict[str, Any], unit: str) -> str:
    outcome = facts.get("outcome")
    if outcome is None:
        return "Nothing came of it: the run ended first."
    if outcome["status"] != "ok":
        return f"It gave no value: {outcome['status']}, {outcome['reason']}."
    sigma = outcome["sigma"] if outcome["sigma"] is not None else math.nan
    text = f"It gave {measured(outcome['objective'], sigma, unit)}"
    if facts["mean"] is None or not facts["std"]:
        return f"{text}."
    spread = math.hypot(facts["std"], 0.0 if math.isnan(sigma) else sigma)
    return (
        f"{text}, {abs(outcome['objective'] - facts['mean']) / spread:.1f} standard deviations from what was expected."
    )
