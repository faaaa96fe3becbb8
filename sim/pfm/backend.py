"""The back-end ``sim-pfm``: a PFM twin over a ferroelectric film with a known truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...core.errors import SpecError, UnknownNameError
from .driver import INITIAL, METADATA, SCAN_RANGE, SIGNALS, PFMDriver
from .film import Family, Film
from .world import PFMState, PFMWorld


class PFMOptions(BaseModel):
    """Options of the back-end; see :class:`~probeline.sim.pfm.world.PFMWorld`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0)
    family: Family = "mixed"
    drift: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    noise: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    tilt: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    state: PFMState | None = None
    pace: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _same_world(self) -> PFMOptions:
        left = self.state
        if left is not None and (left.seed, left.family) != (self.seed, self.family):
            raise ValueError(
                f"the state is of seed {left.seed} and family {left.family}, not of seed {self.seed} and {self.family}"
            )
        return self

    @property
    def left(self) -> dict[str, Any] | None:
        """The state as the world and the driver take it."""
        return None if self.state is None else self.state.model_dump()


def parse_options(options: Mapping[str, Any]) -> PFMOptions:
    """Return ``options`` with defaults filled in.

    Raises
    ------
    SpecError
        Naming every option that is unknown or wrong.
    """
    try:
        return PFMOptions.model_validate(dict(options))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(PFMOptions.model_fields)
        raise SpecError(f"options of sim-pfm: {problems}; there are {known}") from error


def open_world(options: Mapping[str, Any], film: Film | None = None) -> PFMWorld:
    """Return the world of ``options``; only the driver and scoring code may hold it.

    Parameters
    ----------
    options : mapping
        Fields of :class:`PFMOptions`.
    film : Film, optional
        The film of this seed and family where it is at hand.

    Raises
    ------
    SpecError
        For an unknown or wrong option.
    """
    parsed = parse_options(options)
    return PFMWorld(**{**dict(parsed), "state": parsed.left}, film=film)


def arguments() -> list[str]:
    """Return the arguments that the back-end takes: none but the empty one."""
    return [""]


def open_driver(argument: str, options: Mapping[str, Any]) -> PFMDriver:
    """Return the driver of a twin.

    Parameters
    ----------
    argument : str
        Empty.
    options : mapping
        Fields of :class:`PFMOptions`.

    Raises
    ------
    UnknownNameError
        For an argument.
    SpecError
        For an unknown or wrong option.
    """
    _require_no_argument(argument)
    return PFMDriver(open_world(options), parse_options(options).left)


def default_instrument(argument: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of an instrument file for a twin with ``options``.

    Raises
    ------
    UnknownNameError
        For an argument.
    SpecError
        For an unknown or wrong option.
    """
    _require_no_argument(argument)
    parse_options(options)
    limits = {key: list(info["limits"]) for key, info in SIGNALS.items() if info["writable"] and "limits" in info}
    limits.update(x=list(SCAN_RANGE[:2]), y=list(SCAN_RANGE[2:]))
    return {
        "name": "spm",
        "kind": "spm",
        "backend": "sim-pfm",
        "options": dict(options),
        "spectrum": "switching_loop",
        "objective": "loop_area",
        "objective_options": {},
        "survey": {"size_nm": 2000.0, "pixels": 128, "patch_nm": 234.0},
        "register_every": 10,
        "imaging": {"drive_amplitude": INITIAL["drive_amplitude"]},
        "envelope": {"limits": limits, "budgets": {"seconds": 8 * 3600.0}},
        "metadata": METADATA,
    }


def _require_no_argument(argument: str) -> None:
    if argument:
        raise UnknownNameError("argument of sim-pfm", argument, arguments())
