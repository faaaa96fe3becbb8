"""What an agent is: the protocol of bluesky-adaptive, and what we ask beyond it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict  # of Python 3.12, which pydantic asks for


class Posterior(TypedDict):
    """What an agent believes about every candidate; each array has shape ``(candidate,)``."""

    mean: NDArray[np.float64]  # in the unit of the objective
    std: NDArray[np.float64]  # of the objective itself, without measurement noise
    acquisition: NDArray[np.float64]  # the larger, the sooner; NaN where not admissible


class Explanation(TypedDict):
    """Why a candidate was, or was not, chosen; JSON."""

    candidate: int
    source: str  # "seed", "agent", "fallback" (an older fit stood in), "external" (chosen elsewhere),
    # "audit" (random, to judge the prediction), "space_filling" (audits say that the model cannot be relied on)
    mean: float
    std: float
    noise: float  # standard deviation of one outcome that neither std nor its stated sigma accounts for; NaN: unknown
    acquisition: float
    rank: int  # 0 is the best admissible candidate
    n_seen: int  # outcomes the model had seen
    n_failed: int  # failures it knew of
    fit: int  # number of fits made so far
    model_digest: str  # of every number the prediction depends on
    rng_digest: str  # of the state of its generator
    fit_seconds: float
    suggest_seconds: float


@runtime_checkable
class Optimizer(Protocol):
    """Structural twin of ``bluesky_adaptive.protocols.Optimizer`` (>= 1.0)."""

    def suggest(self, num_points: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Return points to measure: ``[{"_id": id, dof: value, ...}]``, ids unique."""
        ...

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Take outcomes: ``[{"_id": id, objective: value, objective + "_sigma": value, "_time": s}]``.

        The sigma is optional, and so is the instrument time of the measurement. A point without a
        known ``_id`` but with its degrees of freedom is an external one and counts like any other.
        """
        ...

    def get_best_points(self) -> Sequence[tuple[Any, Mapping[str, Any], Mapping[str, Any]]]:
        """Return ``[(id, {dof: value}, {objective: value})]``, one entry for a single objective."""
        ...


@runtime_checkable
class Agent(Optimizer, Protocol):
    """An optimizer over a finite set of candidates that can account for itself.

    A pure function of (spec, problem, seed, log of calls): the same calls give the same bits.
    """

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        """Learn that these suggestions gave no outcome; they are not suggested again."""
        ...

    def register_suggestions(self, suggestions: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Adopt points chosen elsewhere; returns them with ids."""
        ...

    def posterior(self) -> Posterior:
        """Return the belief over all candidates after everything ingested so far."""
        ...

    def explain(self, point: Mapping[str, Any]) -> Explanation:
        """Return why the suggestion ``point`` was made, as known when it was made."""
        ...
