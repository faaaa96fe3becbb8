"""The first lines of a report: what was done and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .facts import Facts
from .numbers import NONE, duration, labelled, measured, position
from .tables import spent_seconds, utc

_GOALS = {
    "optimum": "find the optimum of",
    "map": "map",
    "all_above": "find all places above a threshold of",
    "diverse": "find as diverse values as possible of",
}


@dataclass(frozen=True)
class Headline:
    """What stands on top of the page.

    Attributes
    ----------
    title, sentence : str
        What was done.
    ended : str
        How it ended, in words.
    complete : bool
        Whether it ended as planned.
    figures : list of (str, str)
        Name and value of the main numbers.
    """

    title: str
    sentence: str
    ended: str
    complete: bool
    figures: list[tuple[str, str]]


def headline(facts: Facts) -> Headline:
    """Return the headline of a run, complete or not."""
    about, best = facts.about, facts.best
    sample = {**about["driver"].get("metadata", {}), **about["instrument"].get("metadata", {})}.get("sample", {})
    material = sample.get("material") or sample.get("id") if isinstance(sample, dict) else str(sample)
    agent, name = about["agent"], facts.objective.replace("_", " ")
    seed = agent.get("seed")
    sentence = (
        f"Agent {agent['kind']} (seed {seed}) chose where to measure, to {_GOALS.get(about['goal'], about['goal'])} "
        f"{name}" + (f" on {material}" if material else "") + f", on {about['instrument']['backend']}."
    )
    points = f"{len(facts.measured)} of {about['budget'].get('points')}"
    if facts.failed:
        points += f", {len(facts.failed)} failed"
    figures = [
        (f"{'lowest' if facts.minimise else 'best'} {name}", NONE),
        ("at", NONE),
        ("points", points),
        ("instrument time", duration(spent_seconds(facts))),
        ("goal", about["goal"].replace("_", " ")),
        ("objective", labelled(name, facts.unit) + _options(about["objective"].get("options"))),
        ("agent", f"{agent['kind']}, seed {seed}"),
        ("begun", utc(facts.run.start.get("time"))),
    ]
    if agent.get("audit"):
        found = facts.calibration
        figures.append(("predictions, by audits", f"{found.verdict} ({found.n} audits)"))
    if best is not None:
        figures[0] = (figures[0][0], measured(best.objective, best.sigma, facts.unit))
        figures[1] = (f"at (sample frame), decision {best.index}", position(best.x, best.y))
    title = f"Exploration of {name} with {about['instrument']['name'].upper()}"
    return Headline(title, sentence, *_ended(facts), figures)


def _options(options: dict[str, Any] | None) -> str:
    return "".join(f", {name} {value}" for name, value in (options or {}).items())


def _ended(facts: Facts) -> tuple[str, bool]:
    stop = facts.run.stop
    if stop is None:
        return "Not ended: the record has no stop document; the run goes on, or its process died.", False
    status, reason = stop.get("exit_status", ""), stop.get("reason", "")
    words = {"success": "Completed", "abort": "Aborted", "fail": "Failed"}.get(status, status)
    return f"{words}: {reason}." if reason else f"{words}.", status == "success"
