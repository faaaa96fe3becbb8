"""What audits say of the agent's predictions, recorded while a run goes on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import bluesky.plan_stubs as bps

from ..analysis.calibration import audits_of, judge
from ..catalog.calibrating import calibration_in_words
from .prior import Prior
from .records import calibration_record, emit
from .stubs import Plan

_log = logging.getLogger(__name__)


class Audits:
    """Judges the predictions of audits from what is recorded, and from nothing else.

    Parameters
    ----------
    remedy : str
        ``on_miscalibrated`` of the agent.
    prior : Prior, optional
        What a resumed run takes over.
    """

    def __init__(self, remedy: str, prior: Prior | None = None):
        self._remedy = remedy
        self._record = calibration_record()
        self._prior = prior
        self._predictions: dict[int, Mapping[str, Any]] = {}
        self._outcomes: list[tuple[int, float, float]] = []
        self._count = 0
        self._warned: set[str] = set()
        self.reliable = True  # as far as is known

    def take_over(self) -> Plan:
        """Plan stub: record the verdicts on what was taken over again; nobody is warned twice."""
        if self._prior is None:
            return
        for row in self._prior.decisions:
            self.predict(row["decision"], row)
        for outcome in self._prior.outcomes:
            if outcome["status"] in ("ok", "external"):
                yield from self.settle(outcome["decision"], outcome["objective"], outcome["sigma"], warn=False)
                yield from bps.checkpoint()  # a rewind must not record this verdict as the next one

    def predict(self, decision: int, told: Mapping[str, Any]) -> None:
        """Note what the agent said of a decision before it was measured."""
        self._predictions[decision] = told

    def settle(self, decision: int, value: float, sigma: float, *, warn: bool = True) -> Plan:
        """Plan stub: take an outcome; record the verdict when it is that of an audit.

        The first time that the predictions turn out not to be relied on, one line says so.
        """
        self._outcomes.append((decision, value, sigma))
        audits = audits_of(self._predictions, self._outcomes)
        if len(audits) == self._count:
            return
        self._count = len(audits)
        found = judge(audits)
        self.reliable = not found.alarming
        yield from emit(self._record, "calibration", decision=decision, **asdict(found))
        if found.alarming and found.verdict not in self._warned:
            self._warned.add(found.verdict)
            if warn:
                _log.warning(
                    "after decision %d, the agent is %s; %s", decision, calibration_in_words(found), self._then()
                )

    def _then(self) -> str:
        if self._remedy == "space_filling":
            return "space is filled until it can be relied on"
        return "it goes on all the same; with on_miscalibrated='space_filling' it would fill space"
