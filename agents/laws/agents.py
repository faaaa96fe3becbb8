"""Agents that know laws of physics: one that may be wrong in detail, or several of which one may be right."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from time import perf_counter
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ...core.blas import one_thread
from ...core.digest import digest
from ...core.rng import generator
from .. import acquisition
from ..base import CandidateAgent
from ..ledger import Outcomes
from ..problem import Problem
from ..scores import Believed, anchors, score
from ..spec import ACQUISITIONS, GOALS, AgentSpec
from .belief import Belief, Prediction, information, mixture, predict
from .law import Law, known_law
from .options import HypothesisOptions, SGPOptions, build_models
from .smc import Population, probabilities

Array = NDArray[np.float64]


def draw_counts(outcomes: int) -> list[int]:
    """Return after how many outcomes populations are drawn from the prior, up to now.

    Every outcome while there are few, then after each further tenth.
    """
    counts, count = [0], 1
    while count <= outcomes:
        counts.append(count)
        count += max(1, count // 10)
    return counts


class LawAgent(CandidateAgent):
    """What agents with laws have in common: the belief is a mixture over the laws.

    Suggestions that are still pending count as if their predicted mean had been measured.
    """

    needs_acquisition: ClassVar[bool] = True
    acquisitions: ClassVar[tuple[str, ...]] = (*ACQUISITIONS, "information")
    goals: ClassVar[Mapping[str, str]] = GOALS

    def __init__(self, spec: AgentSpec, problem: Problem):
        super().__init__(spec, problem)
        laws = [known_law(law) for law in self._named_laws()]
        self._models = build_models(laws, problem, self.options, none=self._none_competes())
        self._anchors = anchors(spec.seed, len(problem))
        self._drawn: dict[int, list[Population]] = {}  # by how many outcomes they were drawn from the prior with
        self._populations: tuple[int, list[Population]] | None = None
        self._told: tuple[int, list[Prediction], Belief] | None = None

    @abstractmethod
    def _named_laws(self) -> list[str | Law]:
        """Return the laws that the options name."""

    def _none_competes(self) -> bool:
        return False

    def probabilities(self) -> dict[str, float]:
        """Return how probable each law is after everything ingested so far, by name; they sum to 1."""
        self._prepare()
        return {model.law.title: float(p) for model, p in zip(self._models, self._share(), strict=True)}

    def parameters(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Return mean and standard deviation of the parameters of each law, by the names of law and parameter."""
        self._prepare()
        return {
            model.law.title: {
                name: (float(values.mean()), float(values.std()))
                for name, values in model.law.parameters_at(population.z).items()
            }
            for model, population in zip(self._models, self._current(), strict=True)
        }

    def predictions(self) -> dict[str, Prediction]:
        """Return what each law says of the candidates after everything ingested so far, by name."""
        self._prepare()
        return {model.law.title: told for model, told in zip(self._models, self._tell()[0], strict=True)}

    @one_thread
    def _prepare(self) -> None:
        outcomes = self._ledger.outcomes()
        if self._populations is None or self._populations[0] != len(outcomes):
            began = perf_counter()
            self._populations = len(outcomes), self._fitted(outcomes)
            self._fit_seconds += perf_counter() - began

    def _fitted(self, outcomes: Outcomes) -> list[Population]:
        """Return the posterior of every model: a function of the outcomes, whatever was fitted before."""
        due = draw_counts(len(outcomes))[-1]
        if due not in self._drawn:
            part = outcomes.part(0, due)
            drawn = [model.fitted(part, self._rng_of(model.law, due)) for model in self._models]
            self._drawn = {due: drawn}
        return [
            model.updated(population, outcomes, due, self._rng_of(model.law, len(outcomes)))
            for model, population in zip(self._models, self._drawn[due], strict=True)
        ]

    def _rng_of(self, law: Law, count: int) -> np.random.Generator:
        return generator(self.spec.seed, "law", law.title, count)

    def _current(self) -> list[Population]:
        assert self._populations is not None
        return self._populations[1]

    def _share(self) -> Array:
        return probabilities([population.log_evidence for population in self._current()])

    @one_thread
    def _tell(self) -> tuple[list[Prediction], Belief]:
        """Return what each law says now, and the belief that is mixed of it."""
        outcomes = self._ledger.outcomes()
        if self._told is None or self._told[0] != len(outcomes):
            told = [
                predict(model, outcomes, population)
                for model, population in zip(self._models, self._current(), strict=True)
            ]
            self._told = len(outcomes), told, mixture(self._share(), told, self._models[0].spread.least)
        return self._told[1:]

    def _predict(self) -> tuple[Array, Array]:
        belief = self._tell()[1]
        return belief.mean, belief.std

    def _merit(self) -> Array:
        self._prepare()
        return self._tell()[1].mean

    def _account(self) -> tuple[str, int, str]:
        outcomes, populations = self._ledger.outcomes(), self._current()
        drawn = [part for population in populations for part in (population.z, np.array(population.log_evidence))]
        return "agent", len(draw_counts(len(outcomes))), digest(self.problem.digest, *drawn)

    def _noise(self, candidate: int) -> float:
        """Return the standard deviation of one outcome there beyond the belief's and what it states."""
        stated = super()._noise(candidate)
        own = 0.0 if np.isnan(stated) else float(np.nanmedian(self._ledger.outcomes().sigma))
        return float(np.sqrt(max(0.0, self._next_noise()[candidate] - own**2)))

    def _next_noise(self) -> Array:
        """Return the variance that one further measurement is expected to add, shape (candidate,)."""
        return self._share() @ np.stack([told.noise for told in self._tell()[0]])

    @one_thread
    def _score(self, rng: np.random.Generator) -> Array:
        _, belief = self._tell()
        after = belief
        for candidate in self._ledger.pending.values():
            after = after.given(candidate, 0.0)
        if not len(self._ledger.results):
            return acquisition.max_variance(after.std)
        if self.spec.acquisition == "information":
            return self._information(belief, after)
        if self.spec.acquisition == "integrated_variance":
            return self._integrated_variance(after)
        found = self._ledger.outcomes()
        believed = Believed(belief.mean, after.std, found.index, found.value, self._sign, lambda: after.draw(rng))
        return score(str(self.spec.acquisition), believed, self.options)

    def _information(self, belief: Belief, after: Belief) -> Array:
        """Return the information, less where a pending suggestion will have told part of it."""
        return information(self._share(), self._tell()[0]) * after.variance / belief.variance

    def _integrated_variance(self, after: Belief) -> Array:
        covariance, noise = after.covariance(self._anchors), float(np.median(self._next_noise()))
        return acquisition.integrated_variance(covariance, after.variance, noise)


class SGPAgent(LawAgent):
    """A law of physics, corrected by a Gaussian process for what it leaves out."""

    Options: ClassVar[type[BaseModel]] = SGPOptions

    def _named_laws(self) -> list[str | Law]:
        return [self.options.law]


class HypothesisAgent(LawAgent):
    """Competing laws: how probable each is, and which measurement tells most about that."""

    Options: ClassVar[type[BaseModel]] = HypothesisOptions
    goals: ClassVar[Mapping[str, str]] = dict.fromkeys(GOALS, "information")

    def _named_laws(self) -> list[str | Law]:
        return self.options.laws

    def _none_competes(self) -> bool:
        return self.options.none_of_these
