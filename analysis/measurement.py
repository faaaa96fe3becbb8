"""A measurement at a point, in the microscopist's units, as scalarizers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Units of the axes of every measurement; the others are counted or named.
AXIS_UNITS = {"bias": "V", "energy": "eV"}


@dataclass(frozen=True)
class Measurement:
    """One measurement at a point.

    Attributes
    ----------
    kind : str
        ``"switching_loop"``, ``"eds"``, ``"scalar"``, ...
    data : ndarray
        Axes as in ``dims``, in ``unit``; NaN where nothing was measured.
    dims : sequence of str
        Axis names, the first is ``"channel"``.
    channels : sequence of str
        Names along the first axis.
    coords : mapping
        Axis name -> values along it, for every axis but ``"channel"``: ``bias`` in V,
        ``energy`` in eV, ``field`` as ``"off"``/``"on"``, ``cycle`` counted from 0.
    unit : str
        Unit of ``data``: ``"pm"``, ``"V"``, ``"counts"``.
    settings : mapping
        Settings it was taken with, among them ``phase_offset_deg`` where there is a phase.
    """

    kind: str
    data: NDArray[np.float64]
    dims: Sequence[str]
    channels: Sequence[str]
    coords: Mapping[str, Sequence[Any]]
    unit: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scalar:
    """What a scalarizer makes of a measurement.

    Attributes
    ----------
    value : float
        The objective, in ``unit``; NaN when it could not be determined.
    sigma : float
        Its standard uncertainty, in ``unit``; NaN when unknown.
    quality : float
        From 0 (useless) to 1 (as good as this kind gets).
    flag : str
        ``"ok"``, or the reason why the value is not to be trusted: ``"poor_fit"``,
        ``"not_finite"``, ``"saturated"``, ``"no_signal"``.
    unit : str
        Unit of ``value`` and ``sigma``.
    """

    value: float
    sigma: float
    quality: float
    flag: str
    unit: str
