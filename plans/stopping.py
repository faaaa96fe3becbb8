"""When an exploration ends: its budget is spent, or a criterion that was asked for holds; the others only advise."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..agents.stopping import TOLERANCES, left_to_learn
from ..catalog.player import Row
from .records import emit, stopping_record
from .settings import ExploreSettings
from .stubs import Plan

_log = logging.getLogger(__name__)
_WORDS = {
    "improvement": "the best open candidate promises {value:.2g} standard deviations of the outcomes",
    "variance": "predictions leave {value:.2g} of the variance of the outcomes open",
}


def out_of_time(settings: ExploreSettings, spent: float, cost: float) -> str:
    """Return the reason why another ``cost`` (s) after ``spent`` (s) would exceed the budget; empty if it would not."""
    limit = settings.seconds
    if limit is None or spent + cost <= limit:
        return ""
    return f"{spent:.0f} of {limit:.0f} s of instrument time spent; the next point would exceed it"


def time_left(settings: ExploreSettings, done: int, spent: float, cost: float) -> float:
    """Return how long (s) the rest will take at ``cost`` (s) per measurement, within the budget."""
    eta = (settings.points - done) * cost
    return max(eta if settings.seconds is None else min(eta, settings.seconds - spent), 0.0)


class Stopping:
    """Judges, each time that maps of the posterior are recorded, whether it is worth going on.

    Parameters
    ----------
    settings : ExploreSettings
        ``stop`` names the criteria that end the run.
    """

    def __init__(self, settings: ExploreSettings):
        self._settings = settings
        self._record = stopping_record()
        self._advised: set[str] = set()
        self._candidates: list[int] = []
        self._values: list[float] = []
        self.reason = ""

    def learn(self, candidate: int, value: float) -> None:
        """Take an outcome."""
        if math.isfinite(value):
            self._candidates.append(candidate)
            self._values.append(value)

    def recall(self, decisions: tuple[Row, ...], outcomes: tuple[Row, ...]) -> None:
        """Take the outcomes of the run before."""
        candidates = {row["decision"]: row["candidate"] for row in decisions}
        for outcome in outcomes:
            if outcome["status"] == "ok":
                self.learn(candidates[outcome["decision"]], outcome["objective"])

    def consider(self, decision: int, maps: Mapping[str, Any], waiting: Sequence[int], *, reliable: bool) -> Plan:
        """Plan stub: record what is left to learn after so many decisions, and which criteria hold.

        Candidates that are decided for and wait to be measured are open: nothing was learned there yet.

        None of them ends a run while audits say that the predictions cannot be relied on.
        """
        spec = self._settings.agent
        known = self._candidates, self._values
        left = left_to_learn(maps, *known, spec.direction, waiting) if spec.acquisition else None
        if left is None:
            return
        met = {name: value for name, value in asdict(left).items() if value < self._tolerance(name)}
        yield from emit(
            self._record, "stopping",
            decision=decision, **asdict(left), met=", ".join(met), reliable=reliable,
        )  # fmt: skip
        for name, value in met.items():
            words = f"{_WORDS[name].format(value=value)}, less than {self._tolerance(name):g}"
            if name in self._settings.stop and reliable:
                self.reason = self.reason or f"{name}: {words}, after {decision} decisions"
            elif name not in self._advised:
                _log.info("after %d decisions, %s: it may be time to stop", decision, words)
            self._advised.add(name)

    def _tolerance(self, name: str) -> float:
        return self._settings.stop.get(name, TOLERANCES[name])
