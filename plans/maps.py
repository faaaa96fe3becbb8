"""Maps of what the agent believes: asked for, recorded, and judged whether it is worth going on."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps

from ..core.errors import RefusedError
from .auditing import Audits
from .batch import Decided
from .posterior import PosteriorRecord
from .records import emit
from .stopping import Stopping
from .stubs import Plan
from .tap import RunTap
from .worker import AgentWorker, await_agent


@dataclass(frozen=True)
class _Asked:
    """Maps that the agent was asked for, after ``outcomes`` of them, with decisions made beyond."""

    outcomes: int
    open: Sequence[int]  # candidates decided for
    following: Future | None
    future: Future

    @property
    def waiting(self) -> list[int]:
        """Candidates that were decided for, without their outcome being known."""
        ahead: list[Any] = []
        if self.following is not None and not isinstance(self.following.exception(), RefusedError):
            ahead = self.following.result()
        return [*self.open, *(explained["candidate"] for _, explained in ahead)]


class Maps(contextlib.AbstractContextManager):
    """The maps of one run.

    Parameters
    ----------
    instrument : SPM or STEM
        Parked while the agent takes long.
    unit : str
        Of the objective.
    candidates : int
        Values per map.
    tap : RunTap
        Follows the run.
    audits : Audits
        Know whether predictions can be relied on.
    stopping : Stopping
        Judges the maps.
    """

    def __init__(self, instrument: Any, unit: str, candidates: int, tap: RunTap, audits: Audits, stopping: Stopping):
        self._instrument, self._audits, self._stopping = instrument, audits, stopping
        self._record = PosteriorRecord(unit, candidates, Path(instrument.scan.data_root), tap)
        self._asked: _Asked | None = None

    def __exit__(self, *_: object) -> None:
        """Close their file."""
        self._record.close()

    def ask(
        self, worker: AgentWorker, outcomes: int, waiting: Sequence[Decided] = (), following: Future | None = None
    ) -> None:
        """Let the agent make maps.

        Parameters
        ----------
        worker : AgentWorker
            The agent's.
        outcomes : int
            How many it knows.
        waiting : sequence of Decided
            What it has decided beyond and was recorded.
        following : Future, optional
            What it has decided beyond that.
        """
        future = worker.submit("posterior")
        self._asked = _Asked(outcomes, [one.candidate for one in waiting], following, future)

    def write(self) -> Plan:
        """Plan stub: record the maps that were asked for, if any were, and what they say of going on."""
        if self._asked is None:
            return
        asked, self._asked = self._asked, None
        yield from await_agent(self._instrument, asked.future)
        maps, waiting = asked.future.result(), asked.waiting
        yield from emit(
            self._record, "posterior",
            decision=asked.outcomes, pending=len(waiting),
            mean=maps["mean"], std=maps["std"], acquisition=maps["acquisition"],
        )  # fmt: skip
        yield from self._stopping.consider(asked.outcomes, maps, waiting, reliable=self._audits.reliable)
        yield from bps.checkpoint()  # the next posterior must not be replayed as this one
