"""The back-end ``replay``: measured data sets by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...core.errors import SpecError
from ..state import TwinState
from . import loaders
from .dataset import Dataset
from .driver import ReplayDriver


class ReplayState(TwinState):
    """State of a replay: whose, and which pixels (row, column) were measured."""

    dataset: str
    visited: list[tuple[int, int]]


class ReplayOptions(BaseModel):
    """Options of the back-end; see :class:`~probeline.sim.replay.driver.ReplayDriver`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0)
    thin: float = Field(default=1.0, gt=0, le=1)
    noise: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    state: ReplayState | None = None
    pace: float | None = Field(default=None, gt=0, allow_inf_nan=False)


@dataclass(frozen=True)
class _Defaults:
    """What experiments on a data set use unless told otherwise."""

    objective: str
    objective_options: dict[str, Any]
    patch_pixels: int


_DEFAULTS = {
    "beacon-dkl": _Defaults("channel_mean", {"channel": "loop_height"}, 15),
    "stem-eds-particles": _Defaults("spectral_window_sum", {"low_eV": 1690, "high_eV": 1790}, 15),
    "beps-pto-50x50": _Defaults("loop_area", {}, 5),
}


def arguments() -> list[str]:
    """Return the names of the data sets."""
    return loaders.names()


def open_driver(argument: str, options: Mapping[str, Any]) -> ReplayDriver:
    """Return the driver that replays the data set ``argument``.

    Parameters
    ----------
    argument : str
        One of :func:`arguments`.
    options : mapping
        Fields of :class:`ReplayOptions`.

    Raises
    ------
    UnknownNameError
        When there is no such data set.
    SpecError
        For an unknown or wrong option.
    DataError
        When its files are missing or damaged.
    """
    dataset = loaders.load_dataset(argument)
    parsed = parse_options(dataset, options)
    state = parsed.state.model_dump() if parsed.state else None
    return ReplayDriver(dataset, seed=parsed.seed, thin=parsed.thin, noise=parsed.noise, state=state, pace=parsed.pace)


def parse_options(dataset: Dataset, options: Mapping[str, Any]) -> ReplayOptions:
    """Return ``options`` checked against what ``dataset`` can do.

    Raises
    ------
    SpecError
        For an unknown or wrong option.
    """
    try:
        parsed = ReplayOptions.model_validate(dict(options))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise SpecError(f"options of replay:{dataset.name}: {problems}") from error
    left = parsed.state
    if left and (left.seed, left.dataset) != (parsed.seed, dataset.name):
        raise SpecError(
            f"the state is of seed {left.seed} and {left.dataset}, not of seed {parsed.seed} and {dataset.name}; "
            "open the instrument that was left"
        )
    counted = np.issubdtype(dataset.spectra.dtype, np.integer)
    if parsed.thin != 1 and not counted:
        raise SpecError(f"thin = {parsed.thin:g}: replay:{dataset.name} holds no counts to thin; leave it out")
    if parsed.noise and counted:
        raise SpecError(f"noise = {parsed.noise:g}: replay:{dataset.name} holds counts; use thin to make them noisier")
    return parsed


def default_instrument(argument: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of an instrument file for the data set ``argument``.

    The survey is the whole data set at its own pixels, so that every requested pixel centre
    is a measured one.

    Raises
    ------
    UnknownNameError, SpecError, DataError
        As :func:`open_driver`.
    """
    dataset = loaders.load_dataset(argument)
    parse_options(dataset, options)
    defaults = _DEFAULTS[argument]
    pixel_nm = dataset.pixel_size * 1e9
    columns = dataset.valid.shape[1]
    x_min, x_max, y_min, y_max = dataset.extent
    slack = 1e-6 * dataset.pixel_size  # the edge itself has gone through nm
    return {
        "name": dataset.kind,
        "kind": dataset.kind,
        "backend": f"replay:{argument}",
        "options": dict(options),
        "spectrum": dataset.axes.kind,
        "objective": defaults.objective,
        "objective_options": dict(defaults.objective_options),
        "survey": {
            "size_nm": columns * pixel_nm,
            "pixels": columns,
            "patch_nm": defaults.patch_pixels * pixel_nm,
            "roi": _measured_window(dataset),
        },
        "envelope": {"limits": {"x": (x_min - slack, x_max + slack), "y": (y_min - slack, y_max + slack)}},
        "imaging": {"drive_amplitude": 1.0} if dataset.kind == "spm" else {},
        "idle_after_s": 5.0 if dataset.kind == "spm" else 0.0,
        "metadata": dict(dataset.metadata),
    }


def _measured_window(dataset: Dataset) -> list[list[tuple[float, float]]]:
    """Return the rectangle (nm) around all measured spectra as a region of interest; none when they fill the image."""
    if dataset.valid.all():
        return []
    rows, columns = np.nonzero(dataset.valid)
    x, y = (axis * 1e9 for axis in dataset.position(rows, columns))
    half = dataset.pixel_size * 1e9 / 2
    left, right, bottom, top = (
        float(edge) for edge in (x.min() - half, x.max() + half, y.min() - half, y.max() + half)
    )
    return [[(left, bottom), (right, bottom), (right, top), (left, top)]]
