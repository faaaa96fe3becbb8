"""What agents that know laws are told, and the models that follow from it before any outcome."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ...core.errors import SpecError
from ...core.rng import generator
from ..ledger import LARGEST
from ..problem import Problem
from ..scores import ScoreOptions
from .law import Law
from .priors import AnyPrior, LogNormal, Normal
from .structured import Spread, Structured, Waves

NONE = "none of these"
_TENTH, _WIDE = 0.1, 3.0  # noise and discrepancy: around a tenth of what laws vary by, within a factor of 3
_LENGTH = LogNormal(median=0.3, factor=1.7)  # of a discrepancy, as a share of the longest axis
_EXACT = 1e-4  # share of what laws vary by that no measurement resolves
_LOOKED_AT, _TRIED = 256, 512  # candidates and sets of parameters that show by how much laws vary


class LawOptions(ScoreOptions):
    """Options of agents that know laws.

    Attributes
    ----------
    dofs : dict of str to str
        Degree of freedom that stands for an argument of the laws, where the names differ.
    noise : prior or None
        Standard deviation of the noise where an outcome states no sigma; by default around a tenth of
        what the laws typically vary by.
    relative_noise : float
        Further noise as a share of the law's value.
    discrepancy : bool or prior
        Standard deviation of what a law leaves out, a smooth function; True for around a tenth of what
        the laws typically vary by, False for laws that are exact.
    particles : int
        Sets of parameters that stand for what is known of them, for each law.
    """

    dofs: dict[str, str] = Field(default_factory=dict)
    noise: AnyPrior | None = None
    relative_noise: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    discrepancy: bool | AnyPrior = True
    particles: int = Field(default=512, ge=64, le=65536)


class SGPOptions(LawOptions):
    """Options of the agent with one law.

    Attributes
    ----------
    law : str or Law
        Name in the library, or a law of your own.
    """

    law: str | Law


class HypothesisOptions(LawOptions):
    """Options of the agent with several laws.

    Attributes
    ----------
    laws : list of str or Law
        Names in the library, or laws of your own; each as probable as the others at first.
    none_of_these : bool
        Whether a smooth function without a law competes with them.
    """

    discrepancy: bool | AnyPrior = False
    laws: list[str | Law] = Field(min_length=1)
    none_of_these: bool = True


def build_models(laws: Sequence[Law], problem: Problem, options: LawOptions, *, none: bool) -> list[Structured]:
    """Return one model per law over the candidates of ``problem``, and with ``none`` one without a law.

    What no option states follows from what the laws say before any outcome, so that the evidence of
    every model is that of the same data.

    Raises
    ------
    SpecError
        When names clash, the problem lacks what a law depends on, or a law has no finite value at some
        candidate for half of its parameters.
    """
    titles = [law.title for law in laws]
    if len({*titles, NONE}) <= len(titles):
        raise SpecError(f"laws {titles} were refused: their names have to differ, also from {NONE!r}")
    settings = [law.settings(problem, options.dofs) for law in laws]
    size, center = _typical([_drawn(law, given, problem) for law, given in zip(laws, settings, strict=True)])
    small = LogNormal(median=_TENTH * size, factor=_WIDE)
    waves = Waves.over(problem.coordinates)

    def spread(left_out: AnyPrior) -> Spread:
        return Spread(options.noise or small, left_out, _LENGTH, options.relative_noise, _EXACT * size)

    inexact = waves if options.discrepancy else Waves.none(len(problem))
    left_out = small if isinstance(options.discrepancy, bool) else options.discrepancy
    models = [
        Structured(law, given, inexact, spread(left_out), options.particles)
        for law, given in zip(laws, settings, strict=True)
    ]
    if none:
        level = Law(name=NONE, expression="level", parameters={"level": Normal(mean=center, std=2 * size)})
        models.append(Structured(level, {}, waves, spread(LogNormal(median=size, factor=2.0)), options.particles))
    return models


def _drawn(law: Law, settings: dict[str, np.ndarray], problem: Problem) -> np.ndarray:
    """Return values of ``law`` for parameters as they may be, shape (particle, some candidates)."""
    some = np.linspace(0, len(problem) - 1, min(len(problem), _LOOKED_AT)).astype(int)
    # The same draws for every agent: what is known beforehand does not depend on its seed.
    z = generator(0, "typical size", law.title).standard_normal((_TRIED, len(law.parameters)))
    values = law.values({name: column[some] for name, column in settings.items()}, z)
    usable = np.abs(values) <= LARGEST
    good = usable.all(axis=1)
    if good.mean() < 0.5:
        worst = int(some[np.argmin(usable.mean(axis=0))]) if settings else 0
        place = ", ".join(
            f"{name} = {value:g}" for name, value in zip(problem.dofs, problem.points[worst], strict=True)
        )
        raise SpecError(
            f"law {law.title!r} was refused: it has no finite value at {place} for half of its parameters;"
            " leave such candidates out, or bound the law by maximum() and where()"
        )
    return values[good]


def _typical(drawn: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return by how much laws typically vary, and around what: medians over laws and parameters."""
    size = float(np.median([np.median(values.std(axis=1)) for values in drawn]))
    center = float(np.median([np.median(values) for values in drawn]))
    return size or abs(center) or 1.0, center
