"""An agent brought, from the record alone, to where it was in a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..agents.ledger import TIME
from ..agents.problem import Problem
from .run import Run

Row = Mapping[str, Any]
CONTROL = "control"  # source of a decision that the plan took: to measure its control site again

# Positions agree when they differ by less than this (nm): far below an atom, far above rounding.
_SAME_NM = 1e-6


def rows_of(run: Run, stream: str) -> list[dict[str, Any]]:
    """Return the data of every event of a stream, in order; empty without the stream."""
    if stream not in run.streams():
        return []
    documents = run.documents_of(stream)
    return [documents.events[seq]["data"] for seq in documents.seq_nums]


def outcomes_before(row: Row) -> int:
    """Return how many outcomes and failures the agent knew when it made this decision."""
    return row["n_seen"] + row["n_failed"]


def chosen(decisions: Sequence[Row]) -> list[Row]:
    """Return the decisions that the agent took: all but those of the plan, for its control site."""
    return [row for row in decisions if row["source"] != CONTROL]


def told(decisions: Sequence[Row], outcomes: Sequence[Row]) -> list[Row]:
    """Return the outcomes that the agent was told of: all but those without a value at the control site."""
    control = {row["decision"] for row in decisions if row["source"] == CONTROL}
    return [row for row in outcomes if row["decision"] not in control or row["status"] == "external"]


class Player:
    """Feeds an agent what was recorded, in the recorded order.

    Parameters
    ----------
    agent : Agent
        As it was at the beginning of the run.
    problem : Problem
        What it works on.
    decisions, outcomes : sequence of mapping
        Events of the streams ``optimization`` and ``outcome``, in order. Outcomes of further decisions may be among
        them, at the end.
    """

    def __init__(self, agent: Any, problem: Problem, decisions: Sequence[Row], outcomes: Sequence[Row]):
        self.agent, self._problem = agent, problem
        self._decisions = {row["decision"]: row for row in decisions}
        self._outcomes = told(decisions, outcomes)
        self._suggestions: dict[int, Row] = {}
        self._fed = 0

    @property
    def total(self) -> int:
        """How many outcomes the agent was told of."""
        return len(self._outcomes)

    def feed(self, due: int | None = None) -> None:
        """Let the agent learn outcomes until it knows ``due`` of them; all without it."""
        while self._fed < (len(self._outcomes) if due is None else min(due, len(self._outcomes))):
            self._feed(self._outcomes[self._fed])
            self._fed += 1

    def decide(self, row: Row) -> tuple[Row, Row]:
        """Let the agent decide what it decided in ``row``; return its suggestion and its explanation."""
        self.feed(outcomes_before(row))
        (suggestion,) = self.agent.suggest(1)
        self._suggestions[row["decision"]] = suggestion
        return suggestion, self.agent.explain(suggestion)

    def adopt(self, row: Row) -> None:
        """Let the agent take the decision of ``row`` as its own, whatever it would have decided.

        What the gate refused is left out: nothing came of it.
        """
        self.feed(outcomes_before(row))
        if self._status(row) != "refused":
            (self._suggestions[row["decision"]],) = self.agent.register_suggestions([self._position(row)])

    def suggestion(self, decision: int) -> Row:
        """Return what the agent suggested as this decision, which it has taken or adopted."""
        return self._suggestions[decision]

    def difference(self, row: Row, suggestion: Row, explained: Row) -> tuple[str, Any, Any] | None:
        """Return what differs first between a decision and its repetition: its name, recorded and replayed."""
        if explained["candidate"] != row["candidate"]:
            return "candidate", row["candidate"], explained["candidate"]
        for name, dof in zip(("suggested_x", "suggested_y"), self._problem.dofs, strict=True):
            if not math.isclose(suggestion[dof], row[name], rel_tol=0, abs_tol=_SAME_NM):
                return name, row[name], float(suggestion[dof])
        return None

    def _status(self, row: Row) -> str:
        return next((o["status"] for o in self._outcomes if o["decision"] == row["decision"]), "")

    def _position(self, row: Row) -> dict[str, float]:
        return {dof: row[key] for dof, key in zip(self._problem.dofs, ("x", "y"), strict=True)}

    def _feed(self, outcome: Row) -> None:
        name, number = self._problem.objective, outcome["decision"]
        values = {name: outcome["objective"], f"{name}_sigma": outcome["sigma"], TIME: outcome["clock"]}
        suggestion = self._suggestions.get(number)
        if outcome["status"] == "external" or (outcome["status"] == "ok" and suggestion is None):
            self.agent.ingest([{**self._position(self._decisions[number]), **values}])
        elif suggestion is not None and outcome["status"] == "ok":
            self.agent.ingest([{**suggestion, **values}])
        elif suggestion is not None:
            self.agent.register_failures([suggestion])


def rebuilt(
    make: Callable[[Problem], Any], problem: Problem, decisions: Sequence[Row], outcomes: Sequence[Row]
) -> Player:
    """Return a player whose agent has made all ``decisions``, knowing what it knew at each of them.

    The agent decides again and is compared with the record. Where it decides otherwise, as other versions or another
    processor may make it, a fresh one adopts every recorded decision instead: what was measured was measured there.
    Outcomes that came after the last decision are not fed; :meth:`Player.feed` does that.

    Parameters
    ----------
    make : callable
        ``make(problem) -> Agent``.
    problem : Problem
        What the agent works on.
    decisions, outcomes : sequence of mapping
        As for :class:`Player`.
    """
    player = Player(make(problem), problem, decisions, outcomes)
    for row in chosen(decisions):
        if player.difference(row, *player.decide(row)) is not None:
            break
    else:
        return player
    player = Player(make(problem), problem, decisions, outcomes)
    for row in chosen(decisions):
        player.adopt(row)
    return player
