"""The answer of a trial: in words, as rows of a table, and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..analysis.statistics import Interval
from .contest import MAP, OPTIMUM
from .relation import LEVEL, Relation
from .run import Trial
from .saving import GoalAnswer, Score
from .task import BEST_SHARE

_GOALS = {OPTIMUM: "best place", MAP: "map"}
_UNPREDICTABLE = 95  # per cent of the spread


def headline(trial: Trial) -> str:
    """Return the answer in one sentence."""
    won = [answer for answer in trial.answers if answer.answer == "yes"]
    if won:
        found = ", ".join(f"{answer.agent} for the {_GOALS[answer.goal]}" for answer in won)
        return f"An agent would have saved time on this map: {found}."
    if all(answer.answer == "no" for answer in trial.answers):
        others = ", ".join(f"{answer.baseline!r} for the {_GOALS[answer.goal]}" for answer in trial.answers)
        return f"No agent would have saved time on this map; as good without one: {others}."
    return f"Undetermined: {trial.seeds} seeds do not tell whether an agent would have saved time on this map."


def sentences(trial: Trial) -> list[str]:
    """Return the answer in full: each goal, the relation, and what limits them."""
    lines = [_goal(trial, answer) for answer in trial.answers]
    lines.append(_relation(trial.relation))
    task, count = trial.task, len(trial.task.problem)
    every = f", every {task.stride} pixels" if task.stride > 1 else ""
    seen = ", ".join(trial.chosen.channels) or "no image"
    lines.append(
        f"{count} candidates of {trial.chosen.pixel_nm * task.stride:.4g} nm{every}; the agent sees {seen} "
        f"({task.patch_pixels} x {task.patch_pixels} pixels); {trial.seeds} loops each, at most {task.budget} points; "
        f"all intervals hold together with 95 %. It is an answer about this map: another sample may differ."
    )
    return lines + [f"Note: {note}." for note in trial.chosen.notes]


def table(answer: GoalAnswer) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """Return title, columns and rows of the scores on the way to one goal, as text."""
    columns = ("who", "points", "reached", "saved: random", "saved: best other", "CPU ms")
    rows = [
        (
            score.entrant.label,
            f"{score.points:.1f}",
            f"{100 * score.reached:.0f} %",
            _interval(score.saved_random),
            _interval(score.saved_best),
            f"{1e3 * score.cpu_s:.2g}",
        )
        for score in answer.scores
    ]
    return _GOALS[answer.goal], columns, rows


def as_json(trial: Trial) -> dict[str, Any]:
    """Return the same numbers as JSON values."""
    task, sought = trial.task, trial.chosen.sought
    relation = trial.relation
    return {
        "file": trial.chosen.source,
        "objective": sought.name,
        "unit": sought.unit,
        "images": list(trial.chosen.channels),
        "pixel_nm": trial.chosen.pixel_nm,
        "candidates": len(task.problem),
        "stride": task.stride,
        "patch_pixels": task.patch_pixels,
        "budget": task.budget,
        "seeds": trial.seeds,
        "tolerance": task.tolerance,
        "reach_tolerance": len(task.best),
        "map_error": trial.target,
        "spread": trial.spread,
        "answer": headline(trial),
        "goals": [_goal_json(answer) for answer in trial.answers],
        "relation": {"untested": relation} if isinstance(relation, str) else dataclasses.asdict(relation),
        "notes": list(trial.chosen.notes),
        "minutes": trial.minutes,
    }


def _goal(trial: Trial, answer: GoalAnswer) -> str:
    best, rival = answer.best, answer.of(answer.baseline)
    unit = trial.chosen.sought.unit
    if answer.goal == OPTIMUM:
        least = f"{trial.task.tolerance:.4g} {unit}".rstrip()
        among = max(1, round(100 * len(trial.task.best) / trial.task.good))
        equal = ", as many are equal" if len(trial.task.best) > 2 * BEST_SHARE * trial.task.good + 1 else ""
        aim = f"Best place (one of the best {among} %{equal}: at least {least})"
    else:
        share = 100 * trial.target / trial.spread
        aim = f"Map (error {f'{trial.target:.3g} {unit}'.rstrip()}, {share:.0f} % of its spread)"
        if share > _UNPREDICTABLE and answer.answer != "yes":
            return f"{aim}: {answer.answer}. So few points hardly predict this map, whoever chooses them."
    if best.reached == 0 and rival.reached == 0:
        return f"{aim}: {answer.answer}. Nobody got there within {trial.task.budget} points."
    line = (
        f"{aim}: {answer.answer}. {answer.agent} gets there after {best.points:.1f} points, {answer.baseline}, best "
        f"without an agent, after {rival.points:.1f}: saved {_interval(best.saved_best)}; against random "
        f"{_interval(best.saved_random)}."
    )
    if answer.answer == "yes" and best.saved_best and best.entrant.sees_image and not rival.entrant.sees_image:
        line += f" It pays where the image takes less time than {best.saved_best.mean_difference:.0f} points."
    return line


def _relation(relation: Relation | str) -> str:
    if isinstance(relation, str):
        return f"Image and property: not tested, {relation}."
    said = "related" if relation.found else "no relation seen"
    return (
        f"Image and property: {said} (p = {relation.p_value:.3g}, reported up to {LEVEL:g}, against "
        f"{relation.permutations} permutations of the map that are as smooth as it is and shifts of the image); "
        f"knowing the image changes the squared error of predictions by {-100 * relation.gain:+.0f} %."
    )


def _interval(saved: Interval | None) -> str:
    return "" if saved is None else f"{saved.mean_difference:+.1f} [{saved.low:+.1f}, {saved.high:+.1f}]"


def _goal_json(answer: GoalAnswer) -> dict[str, Any]:
    return {
        "goal": answer.goal,
        "answer": answer.answer,
        "agent": answer.agent,
        "baseline": answer.baseline,
        "confidence": answer.confidence,
        "scores": [_score_json(score) for score in answer.scores],
    }


def _score_json(score: Score) -> dict[str, Any]:
    saved = {"saved_random": score.saved_random, "saved_best": score.saved_best}
    return {
        "who": score.entrant.label,
        "agent": score.entrant.is_agent,
        "points": score.points,
        "reached": score.reached,
        "cpu_s": score.cpu_s,
        **{name: interval and interval._asdict() for name, interval in saved.items()},
    }
