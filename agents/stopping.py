"""What is left to learn, by what an agent believes: criteria for stopping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .acquisition import log_ei

# Below these a criterion holds, unless asked otherwise.
TOLERANCES = {"improvement": 0.01, "variance": 0.1}


@dataclass(frozen=True)
class Left:
    """What measuring on promises, without unit.

    Attributes
    ----------
    improvement : float
        Largest expected improvement on the best measured candidate, in standard deviations of the outcomes so far. As a
        stopping rule: Jones, Schonlau & Welch, J. Glob. Optim. 13, 455 (1998), doi:10.1023/A:1008306431147.
    variance : float
        Mean variance of what is predicted of the open candidates, in variances of the outcomes so far: 0.1 when the
        model believes to know nine tenths of what there is to know.
    """

    improvement: float
    variance: float


def left_to_learn(
    maps: Mapping[str, Any],
    candidates: Sequence[int],
    values: Sequence[float],
    direction: str,
    waiting: Sequence[int] = (),
) -> Left | None:
    """Return what is left to learn; None while there is no model, no spread or no open candidate.

    Parameters
    ----------
    maps : mapping
        From :meth:`~probeline.agents.protocols.Agent.posterior`.
    candidates : sequence of int
        Measured candidates.
    values : sequence of float
        Their outcomes.
    direction : str
        ``"max"`` or ``"min"``.
    waiting : sequence of int
        Candidates that were decided for and not measured yet: as open as any, though the agent will not suggest them.
    """
    mean, std, open_ = maps["mean"], maps["std"], np.isfinite(maps["acquisition"])
    open_[list(waiting)] = True
    spread = float(np.std(values)) if len(values) > 1 else 0.0
    if not (spread > 0 and open_.any() and np.isfinite(std).all() and (std > 0).all()):
        return None
    better = mean if direction == "max" else -mean
    best = float(better[np.asarray(candidates)].max())
    promise = float(np.exp(log_ei(better[open_], std[open_], best).max()))
    return Left(promise / spread, float(np.mean(std[open_] ** 2)) / spread**2)
