"""Agents that predict every candidate with a Gaussian process and score what they believe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ...core.digest import digest
from ...core.errors import SpecError
from ...core.rng import generator
from .. import acquisition
from ..base import MODEL_POINTS, CandidateAgent
from ..ledger import Outcomes
from ..problem import Problem
from ..scores import Believed, ScoreOptions, anchors, score
from ..spec import AgentSpec
from .features import Features, build_features
from .kernels import Shape, Warp
from .process import Belief, Fit, GaussianProcess
from .spectra import SpectraBelief, learn_spectra

Array = NDArray[np.float64]


_JOINT = ("integrated_variance", "thompson", "novelty")  # acquisitions that ask for covariances


class SurrogateOptions(ScoreOptions):
    """Options of every agent with a Gaussian process.

    Attributes
    ----------
    kernel : {"matern", "rbf"}
        Matern-5/2, or squared exponential for surfaces that are smooth without end.
    ard : bool
        Learn a length scale for every feature (automatic relevance determination), where there is
        otherwise one for all surroundings and one for the place.
    drift : bool
        Part of every outcome changes with the time it was measured at, as repeated measurements of a control
        site show. Predictions are then for the moment at which the next outcome is due.
    device : {"cpu", "cuda"}
        Where what has the size of the candidates is computed.
    """

    kernel: Shape = "matern"
    ard: bool = False
    drift: bool = False
    device: Literal["cpu", "cuda"] = "cpu"


class PatchOptions(SurrogateOptions):
    """Options of agents that see patches.

    Attributes
    ----------
    components : int
        Principal components of the patches to keep at most.
    """

    components: int = Field(default=24, ge=1, le=4096)


class DKLOptions(PatchOptions):
    """Options of the agent with a net.

    Attributes
    ----------
    hidden : int
        Width of the net's hidden layer.
    steps : int
        Adam steps per fit.
    prior_std : float
        Standard deviation of the prior on the net's output weights.
    """

    hidden: int = Field(default=32, ge=1, le=4096)
    steps: int = Field(default=40, ge=0, le=100_000)
    prior_std: float = Field(default=0.02, gt=0, allow_inf_nan=False)


def fit_counts(outcomes: int) -> list[int]:
    """Return after how many outcomes the hyper-parameters are fitted, up to now.

    Every outcome while there are few, then after each further tenth, from a hundred on after each
    further fifth. What is not fitted is still conditioned on, so every prediction uses every outcome.
    """
    counts, count = [], MODEL_POINTS
    while count <= outcomes:
        counts.append(count)
        count += max(1, count // 10) if count < 100 else count // 5
    return counts


class SurrogateAgent(CandidateAgent):
    """A Gaussian process over the candidates and a score of what it believes.

    Suggestions that are still pending count as if their predicted mean had been measured
    (kriging believer: Ginsbourger, Le Riche & Carraro (2010), doi:10.1007/978-3-642-10701-6_6).
    """

    needs_acquisition: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = SurrogateOptions
    source: str

    def __init__(self, spec: AgentSpec, problem: Problem):
        super().__init__(spec, problem)
        _check_device(self.options.device)
        torch.set_num_threads(1)
        self._features = self._kernelled(self._build_features())
        self._model = self._build_model(self._features)
        self._anchors = anchors(spec.seed, len(problem))
        # From the fit on, so that a checkpoint and the agent that wrote it go the same way to the same bits.
        self._joint = self._anchors if spec.acquisition in _JOINT else None
        self._fit: Fit | None = None
        self._fits = 0
        self._conditioned: tuple[Fit, Belief] | None = None
        self._believed: tuple[Any, Belief] | None = None

    def cache(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Return the last fit as JSON values and tensors; empty before the first."""
        if self._fit is None:
            return {}, {}
        values, tensors = self._fit.stored()
        return {"fits": self._fits, **values}, tensors

    def restore(self, values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Take a fit back.

        Raises
        ------
        ValueError, KeyError, TypeError
            When it cannot be one of this agent's.
        """
        if not values and not tensors:
            return
        fit = self._model.stored_fit(values, tensors)
        fits, counts = int(values["fits"]), fit_counts(len(self._ledger.results))
        if not 0 < fits <= len(counts) or fit.count != counts[fits - 1]:
            raise ValueError(f"fit {fits} after {fit.count} outcomes is not on the schedule of this agent")
        self._fit, self._fits = fit, fits

    def spectra(self, index: NDArray[np.int64], spectra: Array) -> SpectraBelief:
        """Learn whole spectra with this agent's kernel and net; its outcomes have no part in it.

        Parameters
        ----------
        index : ndarray of int, shape (spectrum,)
            Candidate of each spectrum.
        spectra : ndarray, shape (spectrum, channel)
            In any one unit.

        Raises
        ------
        DataError
            When there are fewer than three spectra, or some are not finite.
        """
        return learn_spectra(self._model, index, spectra, generator(self.spec.seed, "spectra"))

    def _build_features(self) -> Features:
        return build_features(self.problem, components=0)

    def _kernelled(self, features: Features) -> Features:
        """Return features that are compared as the options say."""
        kernel = replace(features.kernel, shape=self.options.kernel)
        return replace(features, kernel=kernel.per_column() if self.options.ard else kernel)

    def _build_model(self, features: Features) -> GaussianProcess:
        return GaussianProcess(features, **self._how())

    def _how(self) -> dict[str, Any]:
        return {"drifts": self.options.drift, "device": self.options.device}

    def _prepare(self) -> None:
        outcomes = self._ledger.outcomes()
        counts = fit_counts(len(outcomes))
        if len(counts) != self._fits:
            began = perf_counter()
            self._fit, self._fits = self._robust_fit(outcomes, counts), len(counts)
            self._fit_seconds += perf_counter() - began

    def _robust_fit(self, outcomes: Outcomes, counts: list[int]) -> Fit:
        """Return the fit that is due, or the latest earlier one that succeeds, or none at all.

        A fit depends only on the outcomes it sees, never on an earlier fit, so that an agent
        rebuilt from its log, in whatever portions, has the same one.
        """
        due = self._model.fit(outcomes.part(0, counts[-1]))
        if due.ok:
            return due
        for count in counts[-2:-4:-1]:
            earlier = self._model.fit(outcomes.part(0, count))
            if earlier.ok:
                return earlier.standing_in(counts[-1])
        return due

    def _belief(self) -> Belief | None:
        """Return the belief after all outcomes; None while there are too few."""
        if self._fit is None:
            return None
        outcomes = self._ledger.outcomes()
        if self._conditioned and self._conditioned[0] is self._fit:
            belief = self._model.updated(self._conditioned[1], outcomes, self._fit, self._joint)
        else:
            self._conditioned = self._believed = None  # large, and of no more use
            belief = self._model.condition(outcomes, self._fit, self._joint)
        self._conditioned = self._fit, belief
        return belief

    def _belief_with_pending(self, belief: Belief) -> Belief:
        """Return the belief as if every pending suggestion had given its predicted mean, with the fitted noise."""
        pending = np.array(list(self._ledger.pending.values()), np.int64)
        key = belief, tuple(pending)
        if self._believed is None or self._believed[0] != key:
            # However many they are, they change nothing about whether outcomes state their uncertainty.
            sigma = np.full(len(pending), 0.0 if belief.stated else np.nan)
            believed = Outcomes(pending, belief.mean[pending], sigma)
            self._believed = key, belief.extended(believed)
        return self._believed[1]

    def _predict(self) -> tuple[Array, Array]:
        belief = self._belief()
        if belief is None:
            value = self._ledger.outcomes().value
            mean = value.mean() if len(value) else np.nan
            return np.full(len(self.problem), mean), np.full(len(self.problem), np.nan)
        return belief.mean, belief.std

    def _noise(self, candidate: int) -> float:
        stated = super()._noise(candidate)
        if np.isfinite(stated) or self._fit is None:
            return stated
        return float(np.sqrt(self._fit.hyper.noise) * self._fit.scaling.spread)

    def _merit(self) -> Array:
        belief = self._belief_now()
        return super()._merit() if belief is None else belief.mean

    def _belief_now(self) -> Belief | None:
        self._prepare()
        return self._belief()

    def _account(self) -> tuple[str, int, str]:
        belief = self._belief()
        if belief is None or self._fit is None:
            return super()._account()
        return "agent" if self._fit.ok else "fallback", self._fits, digest(self.problem.digest, belief.digest)

    def _score(self, rng: np.random.Generator) -> Array:
        belief = self._belief()
        if belief is None:
            return np.full(len(self.problem), np.nan)
        after = self._belief_with_pending(belief)
        if self.spec.acquisition == "integrated_variance":
            covariance = after.covariance(self._anchors)
            return acquisition.integrated_variance(covariance, after.variance, belief.noise_variance)
        found = belief.outcomes
        believed = Believed(
            belief.mean, after.std, found.index, found.value, self._sign, lambda: self._draw(after, rng)
        )
        return score(str(self.spec.acquisition), believed, self.options)

    def _draw(self, belief: Belief, rng: np.random.Generator) -> Array:
        normal = rng.standard_normal(len(self._anchors) + len(self.problem))
        covariance = belief.covariance(self._anchors)
        return acquisition.thompson(belief.mean, belief.variance, covariance, self._anchors, normal)


def _check_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise SpecError(
            "device = 'cuda' was refused: torch sees no CUDA device here; leave device out, or set it to 'cpu'"
        )


class GPAgent(SurrogateAgent):
    """Gaussian process on coordinates alone: what a map knows without its image."""


class PatchGPAgent(SurrogateAgent):
    """Gaussian process on principal components of image patches and on coordinates."""

    Options: ClassVar[type[BaseModel]] = PatchOptions

    def _build_features(self) -> Features:
        return build_features(self.problem, self.options.components)


class DKLAgent(PatchGPAgent):
    """Deep kernel learning: the patch kernel after a small net that starts as the identity.

    Wilson, Hu, Salakhutdinov & Xing, Deep kernel learning, Proc. AISTATS 51, 370 (2016),
    doi:10.48550/arXiv.1511.02222.
    """

    Options: ClassVar[type[BaseModel]] = DKLOptions

    def _build_model(self, features: Features) -> GaussianProcess:
        if not features.patch_columns:
            return super()._build_model(features)
        return GaussianProcess(features, self._net, self.options.steps, **self._how())

    def _net(self) -> Warp:
        """Return the net as it is before any outcome; the same one each time."""
        seed = int(generator(self.spec.seed, "net").integers(2**62))
        first = torch.Generator().manual_seed(seed)
        return Warp(self._features.patch_columns, self.options.hidden, self.options.prior_std, first)
