"""What all agents over a finite set of candidates have in common: order, memory, account."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ..analysis.calibration import Calibration, audits_of, judge
from ..core.digest import digest
from ..core.errors import RefusedError
from ..core.rng import generator
from .acquisition import farthest
from .audit import is_audit
from .ledger import ID, TIME, Ledger, Outcomes
from .problem import Problem
from .protocols import Explanation, Posterior
from .spec import AgentSpec, NoOptions, parse_options

MODEL_POINTS = 2  # outcomes without which no spread is known


def seed_order(problem: Problem, seed: int) -> NDArray[np.int64]:
    """Return all candidates in the random order that every kind of agent starts with.

    Uniform without replacement, so that agents of different kind with equal seed share their
    first points and can be compared in pairs, and so that these points are an unbiased sample
    of the survey on which predictions can be judged.

    Returns
    -------
    ndarray of int, shape (candidate,)
    """
    return generator(seed, "seed design").permutation(len(problem))


class CandidateAgent(ABC):
    """An agent that picks one candidate after the other.

    A pure function of specification, problem and the calls so far; calls of :meth:`posterior`,
    :meth:`explain` and :meth:`get_best_points` change nothing. The first suggestions follow
    :func:`seed_order`; after them the admissible candidate with the largest score comes next. In
    between, audits (``spec.audit``) go on with the seed order, to judge the predictions there.

    Subclasses predict and score; what they keep beyond that must follow from the outcomes.

    Parameters
    ----------
    spec : AgentSpec
        What to be.
    problem : Problem
        What to work on.
    """

    needs_acquisition: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions
    checkpoint_path: str | os.PathLike[str] | None = None

    def __init__(self, spec: AgentSpec, problem: Problem):
        self.spec = spec
        self.problem = problem
        self.options: Any = parse_options(spec, type(self))
        self.log: list[dict[str, Any]] = []
        self._ledger = Ledger(problem)
        self._order = seed_order(problem, spec.seed)
        self._explanations: list[Explanation] = []  # by decision
        self._fit_seconds = 0.0

    @abstractmethod
    def _predict(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of the objective, each of shape (candidate,)."""

    @abstractmethod
    def _score(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return how soon each candidate should come, larger is sooner; shape (candidate,)."""

    def _prepare(self) -> None:  # noqa: B027  # agents without a model have nothing to prepare
        """Bring the model up to date with the outcomes; add the seconds of fits to ``_fit_seconds``."""

    def _account(self) -> tuple[str, int, str]:
        """Return who decides (``"agent"`` or ``"fallback"``), the number of fits, the model's digest."""
        outcomes = self._ledger.outcomes()
        return "agent", 0, digest(outcomes.index, outcomes.value, outcomes.sigma)

    def _noise(self, candidate: int) -> float:
        """Return the standard deviation of one outcome there that neither ``std`` nor its own sigma accounts for.

        Where most outcomes state theirs, that is part of ``std``. Else NaN, and no audit is made, unless a model tells.
        """
        stated = np.isfinite(self._ledger.outcomes().sigma)
        return 0.0 if len(stated) and stated.mean() > 0.5 else np.nan

    def _merit(self) -> NDArray[np.float64]:
        """Return what measured candidates are ranked by, shape (candidate,): the mean of their outcomes."""
        return observed_mean(self._ledger.outcomes(), len(self.problem))

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return candidates to measure next.

        Parameters
        ----------
        num_points : int, optional
            How many; 1 unless given. Later ones take earlier ones as pending.

        Returns
        -------
        list of dict
            ``{"_id": decision, dof: nm, dof: nm}``; decisions count from 0.

        Raises
        ------
        RefusedError
            When fewer admissible candidates are left; then nothing has changed.
        """
        count = 1 if num_points is None else int(num_points)
        if count < 1:
            raise RefusedError(f"num_points = {count} was refused: the limit is 1 or more")
        with self._all_or_nothing():
            numbers = [self._decide() for _ in range(count)]
        self.log.append({"call": "suggest", "argument": count})
        return [self._ledger.point(number) for number in numbers]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Take outcomes in, all or none of them.

        Parameters
        ----------
        points : sequence of mapping
            ``{"_id": decision, objective: value, objective + "_sigma": value, "_time": s}``. Sigma and instrument time
            are optional. A point with both degrees of freedom and no id of ours is an external
            one; it counts for the candidate nearest to it.

        Raises
        ------
        RefusedError
            When an outcome is missing, not finite, given before, or belongs to no candidate.
        """
        results = self._ledger.check(points)
        self._ledger.take(results)
        self.log.append({"call": "ingest", "argument": [self._plain(point) for point in points]})

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        """Learn that these suggestions gave no outcome; their candidates are not suggested again.

        Raises
        ------
        RefusedError
            When one has an outcome, or is neither a suggestion nor near a candidate.
        """
        self._ledger.fail(suggestions)
        self.log.append({"call": "register_failures", "argument": [self._plain(point) for point in suggestions]})

    def register_suggestions(self, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Adopt points chosen elsewhere, each as a decision for the nearest admissible candidate.

        Parameters
        ----------
        suggestions : sequence of mapping
            With both degrees of freedom (nm); an id is ignored.

        Returns
        -------
        list of dict
            As from :meth:`suggest`: with our ids, at the candidates.

        Raises
        ------
        RefusedError
            When a point has no admissible candidate within half a diagonal step.
        """
        with self._all_or_nothing():
            numbers = [self._commit(self._ledger.snap(point, free=True), "external") for point in suggestions]
        plain = [{name: value for name, value in self._plain(point).items() if name != ID} for point in suggestions]
        self.log.append({"call": "register_suggestions", "argument": plain})
        return [self._ledger.point(number) for number in numbers]

    def get_best_points(self, num_points: int = 1) -> list[tuple[Any, dict[str, float], dict[str, float]]]:
        """Return the best measured points, best first.

        One unless asked for more, because bluesky-adaptive takes several for a Pareto set.
        Agents with a model rank by posterior mean, others by the mean outcome.

        Returns
        -------
        list of tuple
            ``(id, {dof: nm}, {objective: mean outcome})``; the id is None or what was given
            for an external point.
        """
        merit, found = self._sign * self._merit(), observed_mean(self._ledger.outcomes(), len(self.problem))
        first: dict[int, Any] = {}
        for result in self._ledger.results:
            first.setdefault(result.candidate, result.id)
        ranked = sorted(first, key=lambda candidate: -merit[candidate])[:num_points]
        name = self.problem.objective
        return [(first[c], self._ledger.dofs_of(c), {name: float(found[c])}) for c in ranked]

    def posterior(self) -> Posterior:
        """Return the belief over all candidates after everything ingested so far.

        Mean and std are NaN while too few outcomes are known; acquisition, the larger the
        sooner, is NaN where a candidate is not admissible.
        """
        self._prepare()
        mean, std = self._predict()
        return Posterior(mean=mean.copy(), std=std.copy(), acquisition=self._masked_score(self._rng()))

    def calibration(self) -> Calibration:
        """Return what the audits so far say of the predictions."""
        outcomes = [(result.id, result.value, result.sigma) for result in self._ledger.results]
        return judge(audits_of(dict(enumerate(self._explanations)), outcomes))

    def explain(self, point: Mapping[str, Any]) -> Explanation:
        """Return why the suggestion ``point`` was made, as known when it was made.

        Raises
        ------
        RefusedError
            When its id is not one of ours.
        """
        number = point.get(ID)
        if not isinstance(number, int | np.integer) or not 0 <= number < len(self._explanations):
            raise RefusedError(f"no suggestion has the id {number!r}; ids are 0 to {len(self._explanations) - 1}")
        return self._explanations[number].copy()

    @property
    def decisions(self) -> int:
        """How many decisions were made so far."""
        return len(self._explanations)

    def checkpoint(self) -> None:
        """Write this agent to ``checkpoint_path``, as a plan of bluesky-adaptive asks for.

        Raises
        ------
        RefusedError
            Where no path was set.
        """
        from .checkpoint import save_checkpoint

        if self.checkpoint_path is None:
            raise RefusedError("checkpoint() was refused: this agent has no checkpoint_path; set one")
        save_checkpoint(self, self.checkpoint_path)

    def recall(self, log: Sequence[Mapping[str, Any]], explanations: Sequence[Explanation]) -> None:
        """Take over what an agent with this specification and problem did, without deciding again.

        Parameters
        ----------
        log : sequence of mapping
            Its ``log``.
        explanations : sequence of Explanation
            Of each of its decisions.

        Raises
        ------
        RefusedError, ValueError
            When they contradict each other or the problem.
        """
        given = iter(explanations)
        for entry in log:
            call, argument = entry["call"], entry["argument"]
            if call in ("suggest", "register_suggestions"):
                self._reopen(given, argument if call == "suggest" else len(argument))
            elif call == "ingest":
                self._ledger.take(self._ledger.check(argument))
            else:
                self._ledger.fail(argument)
            self.log.append(dict(entry))
        if next(given, None) is not None:
            raise ValueError(f"there are more decisions than the {self.decisions} of the log")

    def _reopen(self, explanations: Iterator[Explanation], count: int) -> None:
        """Make ``count`` decisions as they were."""
        for _ in range(count):
            explanation = next(explanations, None)
            if explanation is None:
                raise ValueError(f"the log has more decisions than the {self.decisions} that are explained")
            candidate = explanation["candidate"]
            if not 0 <= candidate < len(self.problem) or not self._ledger.admissible[candidate]:
                raise ValueError(f"decision {self.decisions} for candidate {candidate} cannot have been made")
            self._ledger.open(candidate)
            self._explanations.append(explanation)

    def _plain(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is known to matter of ``point``, as JSON values."""
        known = (ID, *self.problem.dofs, self.problem.objective, f"{self.problem.objective}_sigma", TIME)
        found = {key: value for key, value in point.items() if key in known}
        return {key: value.item() if isinstance(value, np.generic) else value for key, value in found.items()}

    @property
    def _sign(self) -> float:
        return 1.0 if self.spec.direction == "max" else -1.0

    def _rng(self) -> np.random.Generator:
        """Return the generator of the next decision, whatever was drawn before."""
        return generator(self.spec.seed, "agent", self.spec.kind, len(self._ledger.decisions))

    def _masked_score(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.where(self._ledger.admissible, self._per_cost(self._score(rng)), np.nan)

    def _per_cost(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the score per cost of moving there from the last suggestion and measuring."""
        decisions = self._ledger.decisions
        if not self.spec.travel or not decisions:
            return score
        cost = 1.0 + self.spec.travel * self.problem.distance(self.problem.points[decisions[-1]])
        return score - np.log(cost) if self.spec.acquisition == "log_ei" else score / cost

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Undo every decision of the block when it raises."""
        before = self._ledger.copy()
        try:
            yield
        except BaseException:
            self._ledger = before
            del self._explanations[len(before.decisions) :]
            raise

    def _decide(self) -> int:
        """Choose a candidate, record why and return the decision's number."""
        if not self._ledger.admissible.any():
            raise RefusedError(
                f"no admissible candidate is left of {len(self.problem)} after {len(self._ledger.decisions)} decisions;"
                " end the run, or widen roi, lower the stride or the separation"
            )
        return self._commit(None, self._due())

    def _due(self) -> str | None:
        """Return what decides next, None for the model."""
        spec, number = self.spec, len(self._ledger.decisions)
        if number < spec.seed_points or len(self._ledger.results) < MODEL_POINTS:
            return "seed"
        if is_audit(spec.seed, spec.audit, number - spec.seed_points):
            self._prepare()
            if np.isfinite(self._noise(self._random())):  # else its score would mean nothing
                return "audit"
        if spec.on_miscalibrated == "space_filling" and self.calibration().alarming:
            return "space_filling"
        return None

    def _commit(self, candidate: int | None, source: str | None) -> int:
        """Open a decision for ``candidate``, or for the one that is due, and explain it."""
        self._prepare()
        fit_seconds, self._fit_seconds = self._fit_seconds, 0.0
        began = perf_counter()
        rng = self._rng()
        rng_digest = digest(str(rng.bit_generator.state))
        mean, std = self._predict()
        score = self._masked_score(rng)
        if candidate is None:
            candidate = self._chosen(source, score)
        decider, fits, model_digest = self._account()
        failed, seen = self._ledger.n_failed, len(self._ledger.results)
        number = self._ledger.open(candidate)
        explanation = Explanation(
            candidate=candidate,
            source=source or decider,
            mean=float(mean[candidate]),
            std=float(std[candidate]),
            noise=self._noise(candidate),
            acquisition=float(score[candidate]),
            rank=int(np.sum(score > score[candidate])),
            n_seen=seen,
            n_failed=failed,
            fit=fits,
            model_digest=model_digest,
            rng_digest=rng_digest,
            fit_seconds=fit_seconds,
            suggest_seconds=perf_counter() - began,
        )
        self._explanations.append(explanation)
        return number

    def _random(self) -> int:
        """Return the admissible candidate that is next in the seed order."""
        return int(self._order[self._ledger.admissible[self._order]][0])

    def _chosen(self, source: str | None, score: NDArray[np.float64]) -> int:
        """Return the admissible candidate that is next in the seed order, or scores best, equal ones in that order."""
        if source in ("seed", "audit"):
            return self._random()
        ordered = self._order[self._ledger.admissible[self._order]]
        if source == "space_filling":
            score = farthest(self.problem.coordinates, self._ledger.used())
        return int(ordered[np.nanargmax(score[ordered])])


def observed_mean(outcomes: Outcomes, candidates: int) -> NDArray[np.float64]:
    """Return the mean outcome of every candidate, shape (candidate,); NaN where none is."""
    total = np.bincount(outcomes.index, outcomes.value, candidates)
    count = np.bincount(outcomes.index, minlength=candidates)
    return np.divide(total, count, out=np.full(candidates, np.nan), where=count > 0)
