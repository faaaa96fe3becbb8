"""The same decisions again, from the record alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..agents.problem import CandidateSpec, Problem, build_problem
from ..core.envelope import Envelope
from ..core.errors import DataError
from .reading import as_run
from .run import Run
from .surveying import admissible_pixels, survey_image

# Positions agree when they differ by less than this (nm): far below an atom, far above rounding.
_SAME_NM = 1e-6


@dataclass(frozen=True)
class ReplayReport:
    """What came of repeating the decisions of a run.

    Attributes
    ----------
    decisions : int
        How many were recorded.
    identical : int
        How many suggest the same point, counted up to the first that does not.
    bitwise : int
        For how many of those the digests of problem, model and generator are the recorded ones too. On
        another processor or with other versions, last bits of a model may differ although it decides the same.
    first_difference : dict or None
        Of the first decision that is another one: ``decision``, ``what`` differs, its value as ``recorded`` and
        as ``replayed``, and ``problem``, whether the problem had been the recorded one.
    """

    decisions: int
    identical: int
    bitwise: int
    first_difference: dict[str, Any] | None

    @property
    def exact(self) -> bool:
        """Whether every decision came out the same, bit by bit."""
        return self.bitwise == self.decisions


def replay(run: Any) -> ReplayReport:
    """Derive the problem from the stored survey and let the recorded agent decide again.

    Outcomes are given to it in the recorded order, before decision ``k`` exactly as many as it had
    seen then. Candidates and positions are compared, and the digests of what they were derived from.

    Parameters
    ----------
    run : Run or BlueskyRun
        A run of :func:`~probeline.plans.explore`, finished or not.

    Raises
    ------
    DataError
        When the run recorded no decisions, or lacks what its agent was made of.
    UnknownNameError
        When its agent is not installed here.
    """
    from ..agents.spec import make_agent

    run = as_run(run)
    recorded = _rows(run, "optimization")
    if not recorded:
        raise DataError(f"run {run.uid[:8]} ({run.start.get('plan_name', '')}) recorded no decisions")
    problem = problem_of(run)
    player = _Player(make_agent(_block(run)["agent"], problem), problem, run)
    for count, row in enumerate(recorded):
        difference = player.decide(row)
        if difference is not None:
            return ReplayReport(len(recorded), count, player.bitwise, difference)
    return ReplayReport(len(recorded), len(recorded), player.bitwise, None)


def problem_of(run: Run) -> Problem:
    """Return the problem that the agent of ``run`` worked on, derived from its stored survey.

    Raises
    ------
    DataError
        When the run does not say what it was made of, or its survey cannot be read.
    """
    block = _block(run)
    survey = survey_image(run)
    envelope = Envelope.model_validate(block["instrument"]["envelope"])
    return build_problem(
        survey.images,
        survey.channels,
        survey.x,
        survey.y,
        CandidateSpec.model_validate(block["candidates"]),
        objective=block["objective"]["name"],
        admissible=admissible_pixels(survey.x, survey.y, envelope),
    )


class _Player:
    """Feeds an agent what was recorded and compares what it says."""

    def __init__(self, agent: Any, problem: Problem, run: Run):
        self._agent, self._problem = agent, problem
        self._outcomes = _rows(run, "outcome")
        self._places = {row["decision"]: row for row in _rows(run, "primary")}
        self._suggestions: dict[int, Mapping[str, Any]] = {}
        self._fed = 0
        self.bitwise = 0

    def decide(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Repeat one decision and return the first difference to ``row``, if any."""
        due = row["n_seen"] + row["n_failed"]
        if due > len(self._outcomes):
            return self._difference(row, "outcomes", due, len(self._outcomes))
        while self._fed < due:
            self._feed(self._outcomes[self._fed])
            self._fed += 1
        (suggestion,) = self._agent.suggest(1)
        self._suggestions[row["decision"]] = suggestion
        explained = self._agent.explain(suggestion)
        if explained["candidate"] != row["candidate"]:
            return self._difference(row, "candidate", row["candidate"], explained["candidate"])
        for name, dof in zip(("x", "y"), self._problem.dofs, strict=True):
            if not math.isclose(suggestion[dof], row[name], rel_tol=0, abs_tol=_SAME_NM):
                return self._difference(row, name, row[name], float(suggestion[dof]))
        replayed = {**explained, "problem_digest": self._problem.digest}
        self.bitwise += all(replayed[key] == row[key] for key in ("problem_digest", "model_digest", "rng_digest"))
        return None

    def _difference(self, row: Mapping[str, Any], what: str, recorded: Any, replayed: Any) -> dict[str, Any]:
        same = row["problem_digest"] == self._problem.digest
        return {
            "decision": row["decision"], "what": what, "recorded": recorded, "replayed": replayed, "problem": same,
        }  # fmt: skip

    def _feed(self, outcome: Mapping[str, Any]) -> None:
        name = self._problem.objective
        values = {name: outcome["objective"], f"{name}_sigma": outcome["sigma"]}
        suggestion = self._suggestions.get(outcome["decision"])
        if outcome["status"] == "external" or suggestion is None:
            place = self._places[outcome["decision"]]
            position = {dof: place[key] for dof, key in zip(self._problem.dofs, ("x", "y"), strict=True)}
            self._agent.ingest([{**position, **values}])
        elif outcome["status"] == "ok":
            self._agent.ingest([{**suggestion, **values}])
        else:
            self._agent.register_failures([suggestion])


def _rows(run: Run, stream: str) -> list[dict[str, Any]]:
    """Return the data of every event of a stream, in order; empty without the stream."""
    if stream not in run.streams():
        return []
    documents = run.documents_of(stream)
    return [documents.events[seq]["data"] for seq in documents.seq_nums]


def _block(run: Run) -> dict[str, Any]:
    block = run.start.get("probeline")
    if not isinstance(block, dict) or "candidates" not in block:
        raise DataError(f"run {run.uid[:8]} was not made by explore: it does not say how candidates were found")
    return block
