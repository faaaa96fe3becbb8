"""Laws of physics as data: a formula, what is known of its parameters, where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from ...core.errors import SpecError, UnknownNameError
from ...core.units import si_factor, si_unit
from ..problem import Problem
from .expressions import Expression, as_read
from .priors import AnyPrior

Array = NDArray[np.float64]


class Law(BaseModel):
    """How an outcome depends on settings, up to some parameters.

    Attributes
    ----------
    expression : str
        Formula of the outcome, see :class:`~probeline.agents.laws.expressions.Expression`. Names that
        are not parameters are degrees of freedom of the problem.
    parameters : dict of str to prior
        ``{"prior": "normal", "mean", "std"}``, ``{"prior": "lognormal", "median", "factor"}`` or
        ``{"prior": "uniform", "low", "high"}``, each with an optional ``unit``.
    arguments : dict of str to str
        Unit that the formula takes a degree of freedom in. One that is not listed is taken in the
        unit that the problem has.
    unit : str
        Unit of the outcome.
    name, about, doi : str
        What people call it, say about it, and where it is from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    expression: str
    parameters: dict[str, AnyPrior]
    arguments: dict[str, str] = {}
    unit: str = ""
    name: str = ""
    about: str = ""
    doi: str = ""

    @field_validator("parameters", "arguments", mode="before")
    @classmethod
    def _as_in_the_formula(cls, given: Any) -> Any:
        return {as_read(name): value for name, value in given.items()} if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _names_agree(self) -> Law:
        names = self.formula.names
        unused = sorted((set(self.parameters) | set(self.arguments)) - names)
        if unused:
            raise SpecError(f"law {self.title!r}: {', '.join(unused)} does not occur in {self.expression!r}")
        both = sorted(set(self.parameters) & set(self.arguments))
        if both:
            raise SpecError(f"law {self.title!r}: {', '.join(both)} is a parameter and an argument; choose one")
        return self

    @property
    def title(self) -> str:
        """The name, or the formula of a law without one."""
        return self.name or self.expression

    @cached_property
    def formula(self) -> Expression:
        """The expression, read."""
        return Expression(self.expression)

    def settings(self, problem: Problem, dofs: Mapping[str, str]) -> dict[str, Array]:
        """Return the law's arguments at all candidates, each of shape (candidate,), in the law's unit.

        Parameters
        ----------
        problem : Problem
            Has the degrees of freedom.
        dofs : mapping of str to str
            Degree of freedom that stands for an argument, where the names differ.

        Raises
        ------
        SpecError
            When the problem lacks an argument, or has it in a unit that cannot be converted.
        """
        found, renamed = {}, {as_read(name): dof for name, dof in dofs.items()}
        known = [as_read(dof) for dof in problem.dofs]
        for name in sorted(self.formula.names - set(self.parameters)):
            dof = as_read(renamed.get(name, name))
            if dof not in known:
                raise SpecError(
                    f"law {self.title!r} depends on {dof!r} and the problem has {', '.join(problem.dofs)};"
                    f" make it a parameter, or name the degree of freedom that it is: dofs={{{name!r}: ...}}"
                )
            column = known.index(dof)
            found[name] = problem.points[:, column] * self._factor(name, problem.units[column])
        return found

    def parameters_at(self, z: Array) -> dict[str, Array]:
        """Return the parameters by name, each of shape (particle,), in its unit.

        Parameters
        ----------
        z : ndarray, shape (particle, parameter or more)
            Standard normal numbers that stand for the parameters, in the order of ``parameters``.
        """
        return {name: prior.at(z[:, k]) for k, (name, prior) in enumerate(self.parameters.items())}

    def values(self, settings: Mapping[str, Array], z: Array) -> Array:
        """Return the outcome for each set of parameters, shape (particle, candidate); may not be finite.

        Parameters
        ----------
        settings : mapping of str to ndarray, shape (candidate,)
            The arguments.
        z : ndarray, shape (particle, parameter or more)
            As in :meth:`parameters_at`.
        """
        size = len(next(iter(settings.values()))) if settings else 1
        given = {name: values[:, None] for name, values in self.parameters_at(z).items()}
        return np.broadcast_to(self.formula({**settings, **given}), (len(z), size))

    def _factor(self, name: str, unit: str) -> float:
        wanted = self.arguments.get(name, unit)
        if unit == wanted:
            return 1.0
        try:
            if si_unit(unit) == si_unit(wanted):
                return si_factor(unit) / si_factor(wanted)
        except KeyError:
            pass
        raise SpecError(f"law {self.title!r} takes {name!r} in {wanted!r} and the problem gives it in {unit!r}")


def known_law(law: str | Law) -> Law:
    """Return the law of that name from the library, or ``law`` itself.

    Raises
    ------
    UnknownNameError
        When the library has no such law.
    """
    from .library import LIBRARY

    if isinstance(law, Law):
        return law
    if law not in LIBRARY:
        raise UnknownNameError("law", law, LIBRARY, "Or give a law of your own: expression and parameters.")
    return LIBRARY[law]
