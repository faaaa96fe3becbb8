"""What another agent would have done, decision by decision, and how well alone."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..agents.problem import Problem
from ..agents.spec import AgentSpec, make_agent, parse_spec, spec_for
from ..core.errors import SpecError
from .player import Player, Row, chosen, outcomes_before, rows_of
from .replaying import block_of, problem_of, recorded
from .run import Run


@dataclass(frozen=True)
class Comparison:
    """Where another agent would have measured, knowing at each decision what was known then.

    Its choices are not followed, because nobody knows what would have been found there: disagreement says how
    different two agents are, never which one is better.

    Attributes
    ----------
    agent : dict
        Specification of the other agent.
    decisions : int
        Decisions that were compared: all that the gate did not refuse.
    seeds : int
        Those of the seed design, which agents of equal seed share.
    audits : int
        Those that the recorded agent drew at random to judge itself.
    agreed : int
        Of all others, how many name the same candidate.
    distance_nm : list of float
        Distance (nm) of the other agent's choice from the recorded one, of every decision compared.
    regret : dict or None
        Where the full map is known: ``recorded`` and ``other``, by how much the best place measured falls short of the
        best on the map, after the same number of measurements, in ``unit``; None where the map has no value at any of
        them. The recorded agent was told what was measured, with its noise, the other one what the map holds.
    """

    agent: dict[str, Any]
    decisions: int
    seeds: int
    audits: int
    agreed: int
    distance_nm: list[float]
    regret: dict[str, Any] | None

    @property
    def agreement(self) -> float | None:
        """Share of the decisions, random ones left out, that name the same candidate; None without any."""
        chosen = self.decisions - self.seeds - self.audits
        return self.agreed / chosen if chosen else None


def compare(run: Run, agent: str | Mapping[str, Any] | AgentSpec, truth: NDArray[np.float64] | None) -> Comparison:
    """Ask another agent at every decision of ``run``; see :func:`~probeline.catalog.replay`.

    Parameters
    ----------
    run : Run
        An exploration.
    agent : str, mapping or AgentSpec
        A registered name, which takes seed, seed points and direction of the recorded agent; or a specification.
    truth : ndarray, shape (candidate,), optional
        The objective at every candidate.

    Raises
    ------
    DataError, UnknownNameError, SpecError
        As :func:`~probeline.catalog.replay`.
    """
    decisions, outcomes = recorded(run), rows_of(run, "outcome")
    refused = {row["decision"] for row in outcomes if row["status"] == "refused"}
    problem, spec = problem_of(run), _spec(run, agent)
    if truth is not None and np.shape(truth) != (len(problem),):
        raise SpecError(f"truth has shape {np.shape(truth)}; give one value for each of the {len(problem)} candidates")
    player = Player(make_agent(spec, problem), problem, decisions, outcomes)
    distances, sources, agreed = [], Counter(), 0
    for row in chosen(decisions):
        if row["decision"] in refused or outcomes_before(row) > player.total:
            continue
        candidate = _choice(player, problem, row)
        place = problem.points[problem.nearest(row["x"], row["y"])]
        distances.append(float(np.hypot(*(problem.points[candidate] - place))))
        sources[row["source"]] += 1
        agreed += row["source"] not in ("seed", "audit") and distances[-1] == 0
        player.adopt(row)
    regret = None if truth is None else _regret(run, spec, problem, np.asarray(truth, float))
    random = sources["seed"], sources["audit"]
    return Comparison(spec.model_dump(mode="json"), len(distances), *random, agreed, distances, regret)


def _spec(run: Run, agent: str | Mapping[str, Any] | AgentSpec) -> AgentSpec:
    if not isinstance(agent, str):
        return parse_spec(agent)
    about = block_of(run)
    shared = {name: about["agent"][name] for name in ("seed", "seed_points", "direction")}
    return spec_for(agent, about["goal"], shared)


def _choice(player: Player, problem: Problem, row: Row) -> int:
    """Return the candidate that the agent would choose; a copy is asked, as no agent can take its word back."""
    player.feed(outcomes_before(row))
    twin = copy.deepcopy(player.agent, {id(problem): problem})
    (suggestion,) = twin.suggest(1)
    return int(twin.explain(suggestion)["candidate"])


def _regret(run: Run, spec: AgentSpec, problem: Problem, truth: NDArray[np.float64]) -> dict[str, Any]:
    """Run the whole loop of the other agent on the full map and return the regret of both."""
    about = block_of(run)
    sign = -1.0 if about["agent"]["direction"] == "min" else 1.0
    measured = _measured(run, problem)
    other = make_agent(spec, problem)
    visited = []
    for _ in measured:
        (suggestion,) = other.suggest(1)
        candidate = int(other.explain(suggestion)["candidate"])
        visited.append(candidate)
        if np.isfinite(truth[candidate]):
            other.ingest([{**suggestion, problem.objective: float(truth[candidate])}])
        else:
            other.register_failures([suggestion])
    short = {name: _short(sign * truth, at) for name, at in (("recorded", measured), ("other", visited))}
    return {**short, "unit": about["objective"]["unit"]}


def _short(values: NDArray[np.float64], places: Sequence[int]) -> float | None:
    """Return by how much the best of some places falls short of the best of all; None without a value there."""
    found = values[places]
    if not np.isfinite(found).any():
        return None
    return float(np.max(values[np.isfinite(values)]) - np.max(found[np.isfinite(found)]))


def _measured(run: Run, problem: Problem) -> Sequence[int]:
    places = {row["decision"]: (row["x"], row["y"]) for row in recorded(run)}
    done = [row["decision"] for row in rows_of(run, "outcome") if row["status"] in ("ok", "failed")]
    if not done:
        raise SpecError(f"run {run.uid[:8]} measured nothing, so there is no regret to compare; leave truth out")
    return [problem.nearest(*places[number]) for number in done]
