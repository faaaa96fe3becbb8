"""What reopens a twin as it was, checked before it is believed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Real = Annotated[float, Field(allow_inf_nan=False)]


class TwinState(BaseModel):
    """What ``state()`` of every twin driver returns; JSON.

    Attributes
    ----------
    seed : int
        Of the world that was left.
    time : float
        Its clock (s).
    exposures : int
        Acquisitions until then.
    acts : list of dict
        What was done to the sample, in order.
    values : dict
        Signals of the driver (SI); the driver checks them.
    position : (float, float)
        Scanner coordinates (m).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0)
    time: Real = Field(ge=0)
    exposures: int = Field(ge=0)
    acts: list[dict[str, Any]]
    values: dict[str, bool | int | Real | str]
    position: tuple[Real, Real]
