"""The same decisions again, from the record alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from ..agents.problem import CandidateSpec, Problem, build_problem
from ..core.envelope import Envelope
from ..core.errors import DataError, SpecError
from .player import Player, Row, chosen, outcomes_before, rebuilt, rows_of
from .reading import as_run
from .run import Run
from .surveying import admissible_pixels, survey_image

if TYPE_CHECKING:
    from ..agents.spec import AgentSpec
    from .comparing import Comparison

_DIGESTS = ("problem_digest", "model_digest", "rng_digest")


@dataclass(frozen=True)
class ReplayReport:
    """What came of repeating the decisions of a run.

    Attributes
    ----------
    decisions : int
        How many were recorded of the agent.
    identical : int
        How many suggest the same point, counted up to the first that does not.
    bitwise : int
        For how many of those the digests of problem, model and generator are the recorded ones too. On
        another processor or with other versions, last bits of a model may differ although it decides the same.
    first_difference : dict or None
        Of the first decision that is another one: ``decision``, ``what`` differs, its value as ``recorded`` and
        as ``replayed``, ``problem``, whether the problem had been the recorded one, and how far apart the two choices
        are: ``recorded_acquisition`` and ``replayed_acquisition``, as the replayed agent scored them before it chose
        (None where it had no model, or where the candidate was not open to it).
    """

    decisions: int
    identical: int
    bitwise: int
    first_difference: dict[str, Any] | None

    @property
    def exact(self) -> bool:
        """Whether every decision came out the same, bit by bit."""
        return self.bitwise == self.decisions


@overload
def replay(run: Any) -> ReplayReport: ...


@overload
def replay(
    run: Any, agent: str | Mapping[str, Any] | AgentSpec, *, truth: NDArray[np.float64] | None = None
) -> Comparison: ...


def replay(
    run: Any, agent: str | Mapping[str, Any] | AgentSpec | None = None, *, truth: NDArray[np.float64] | None = None
) -> ReplayReport | Comparison:
    """Derive the problem from the stored survey and let the recorded agent, or another one, decide again.

    Outcomes are given to it in the recorded order, before decision ``k`` exactly as many as were known then. The
    recorded agent is followed: candidates and positions are compared, and the digests of what they were derived from.
    Another agent is asked at every decision and not followed; see :func:`~probeline.catalog.comparing.compare`.

    Parameters
    ----------
    run : Run or BlueskyRun
        A run of :func:`~probeline.plans.explore`, finished or not.
    agent : str, mapping or AgentSpec, optional
        Another agent: its registered name or its full specification.
    truth : ndarray, shape (candidate,), optional
        The objective at every candidate of :func:`problem_of`, where a full map is known: then the other agent runs
        the whole loop on it too, and the regret of both is told.

    Raises
    ------
    DataError
        When the run recorded no decisions, or lacks what its agent was made of.
    UnknownNameError
        When an agent is not installed here.
    SpecError
        When ``truth`` does not fit the candidates, or no other agent is given for it.
    """
    run = as_run(run)
    if agent is not None:
        from .comparing import compare

        return compare(run, agent, truth)
    if truth is not None:
        raise SpecError("truth is of use for another agent only; name it: replay(run, agent=..., truth=...)")
    return _repeat(run)


def _repeat(run: Run) -> ReplayReport:
    rows, outcomes = recorded(run), rows_of(run, "outcome")
    problem, make = problem_of(run), maker_of(run)
    player, bitwise = Player(make(problem), problem, rows, outcomes), 0
    decisions = chosen(rows)
    for count, row in enumerate(decisions):
        due = outcomes_before(row)
        if due > player.total:
            found = ("outcomes", due, player.total)
            return ReplayReport(len(decisions), count, bitwise, _difference(row, problem, found))
        suggestion, explained = player.decide(row)
        found = player.difference(row, suggestion, explained)
        if found is not None:
            earlier = rebuilt(make, problem, [r for r in rows if r["decision"] < row["decision"]], outcomes)
            scores = _scores(earlier, row, (row["candidate"], explained["candidate"]))
            return ReplayReport(len(decisions), count, bitwise, {**_difference(row, problem, found), **scores})
        replayed = {**explained, "problem_digest": problem.digest}
        bitwise += all(replayed[key] == row[key] for key in _DIGESTS)
    return ReplayReport(len(decisions), len(decisions), bitwise, None)


def _difference(row: Row, problem: Problem, found: tuple[str, Any, Any]) -> dict[str, Any]:
    same = row["problem_digest"] == problem.digest
    what, was, now = found
    return {"decision": row["decision"], "what": what, "recorded": was, "replayed": now, "problem": same}


def _scores(player: Player, row: Row, candidates: Sequence[int]) -> dict[str, float | None]:
    """Return how the agent scores the recorded and its own choice before it decides ``row``."""
    player.feed(outcomes_before(row))
    acquisition = player.agent.posterior()["acquisition"]
    scores = [float(acquisition[c]) if 0 <= c < len(acquisition) else math.nan for c in candidates]
    names = ("recorded_acquisition", "replayed_acquisition")
    return {name: score if math.isfinite(score) else None for name, score in zip(names, scores, strict=True)}


def recorded(run: Run) -> list[dict[str, Any]]:
    """Return the decisions of ``run``, in order.

    Raises
    ------
    DataError
        When it recorded none.
    """
    decisions = rows_of(run, "optimization")
    if not decisions:
        raise DataError(f"run {run.uid[:8]} ({run.start.get('plan_name', '')}) recorded no decisions")
    return decisions


def maker_of(run: Run) -> Callable[[Problem], Any]:
    """Return what makes the agent of ``run`` from a problem.

    Where its device is not at hand the processor stands in: decisions are then the same but for rounding.

    Raises
    ------
    DataError
        When the run does not say.
    """
    from ..agents.spec import make_agent, on_this_machine

    spec = on_this_machine(block_of(run)["agent"])
    return lambda problem: make_agent(spec, problem)


def problem_of(run: Run) -> Problem:
    """Return the problem that the agent of ``run`` worked on, derived from its stored survey.

    Raises
    ------
    DataError
        When the run does not say what it was made of, or its survey cannot be read.
    """
    block = block_of(run)
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


def block_of(run: Run) -> dict[str, Any]:
    """Return what the start document says of the exploration.

    Raises
    ------
    DataError
        When it is a run of another plan.
    """
    block = run.start.get("probeline")
    if not isinstance(block, dict) or "candidates" not in block:
        raise DataError(f"run {run.uid[:8]} was not made by explore: it does not say how candidates were found")
    return block
