"""What is known of a parameter before anything was measured."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.special import ndtr

Array = NDArray[np.float64]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Prior(BaseModel):
    """Distribution of one parameter, as a function of a standard normal number.

    Attributes
    ----------
    unit : str
        Of the parameter; shown to people, not converted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str = ""


class Normal(Prior):
    """Normal distribution with ``mean`` and standard deviation ``std``."""

    prior: Literal["normal"] = "normal"
    mean: Finite
    std: Positive

    def at(self, z: Array) -> Array:
        """Return the value that belongs to the standard normal number ``z``, same shape."""
        return self.mean + self.std * z


class LogNormal(Prior):
    """Positive parameter: 68 % lie within a ``factor`` of the ``median``."""

    prior: Literal["lognormal"] = "lognormal"
    median: Positive
    factor: Annotated[float, Field(gt=1, allow_inf_nan=False)]

    def at(self, z: Array) -> Array:
        """Return the value that belongs to the standard normal number ``z``, same shape."""
        # Bounded, so that a far-off proposal overflows in no formula.
        return self.median * np.exp(np.clip(math.log(self.factor) * z, -200, 200))


class Uniform(Prior):
    """Anything from ``low`` to ``high`` alike."""

    prior: Literal["uniform"] = "uniform"
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _rises(self) -> Uniform:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} must be less than high = {self.high:g}")
        return self

    def at(self, z: Array) -> Array:
        """Return the value that belongs to the standard normal number ``z``, same shape."""
        return self.low + (self.high - self.low) * ndtr(z)


AnyPrior = Annotated[Normal | LogNormal | Uniform, Field(discriminator="prior")]
