"""Hysteresis loops: piezoresponse, branches, parameters, fit.

A loop is a pair of arrays ``(bias, response)`` along one closed bipolar sweep, in the order
of measurement. Where the sweep starts and which extreme it reaches first do not matter.
Along the *falling* branch the bias goes from its maximum to its minimum, along the *rising*
branch back. A ferroelectric loop keeps its upper state on the falling branch: its area,
the integral of falling minus rising branch over the bias, is positive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from ..core.errors import DataError, SpecError
from .channels import principal_phase
from .loop_shape import Estimate, area_weights, coercive_biases, noise_level, response_at, split_branches
from .measurement import Measurement

Array = NDArray[np.float64]

_SHARPNESS = 1000.0  # 1/V, of the change of width in the loop function, as in the reference
PARAMETER_NAMES: tuple[str, ...] = ("a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3")


class PhaseOffset(NamedTuple):
    """The phase (deg) that counts as in phase, and whether its axis was estimated from the loop itself."""

    degrees: float
    estimated: bool


@dataclass(frozen=True)
class LoopParameters:
    """Numbers of one loop, by direct integration and interpolation.

    Attributes
    ----------
    area : Estimate
        Integral of falling minus rising branch (response unit times V).
    remanent_plus, remanent_minus : Estimate
        Response at zero bias on the falling and on the rising branch.
    height : Estimate
        ``remanent_plus - remanent_minus``.
    coercive_minus, coercive_plus : Estimate
        Bias (V) at which the falling and the rising branch pass half way between the states.
    imprint : Estimate
        ``(coercive_plus + coercive_minus) / 2`` (V).
    switchable : Estimate
        Distance of the branches midway between the coercive biases.
    noise : float
        Standard deviation of one point, from second differences.
    """

    area: Estimate
    remanent_plus: Estimate
    remanent_minus: Estimate
    height: Estimate
    coercive_minus: Estimate
    coercive_plus: Estimate
    imprint: Estimate
    switchable: Estimate
    noise: float


@dataclass(frozen=True)
class LoopFit:
    """Result of :func:`fit_loop`.

    Attributes
    ----------
    params, sigma : mapping
        ``a0`` ... ``b3`` of :func:`loop_function` and their standard uncertainties, NaN
        where the data do not determine them.
    r2 : float
        Share of the variance that the fit explains.
    curve : ndarray, shape (bias,)
        Fitted response, in the order of the data.
    """

    params: Mapping[str, float]
    sigma: Mapping[str, float]
    r2: float
    curve: Array


def phase_offset(measurement: Measurement) -> PhaseOffset:
    """Return the phase of the piezoresponse, -180 to 180 degrees, for a loop in channels x, y.

    Its axis is the recorded one (``settings["phase_offset_deg"]``), else the principal axis of
    the off-field points in the (x, y) plane. An axis leaves half a turn open, also when it was
    found on an image. The sense of rotation closes it: the summed area of the off-field loops
    is positive, a positive bias writes a positive response.
    """
    recorded = measurement.settings.get("phase_offset_deg")
    x, y = (_loop_axes(measurement, name) for name in ("x", "y"))
    fields = list(measurement.coords.get("field", ["off"]))
    if "off" in fields:
        x, y = x[:, [fields.index("off")]], y[:, [fields.index("off")]]
    if recorded is not None:
        angle = math.radians(float(recorded))
    else:
        good = np.isfinite(x) & np.isfinite(y)
        angle = principal_phase(x[good] - x[good].mean(), y[good] - y[good].mean()) if good.any() else 0.0
    bias = np.asarray(measurement.coords["bias"], float)
    if np.nansum((x * math.cos(angle) + y * math.sin(angle)) @ area_weights(bias)) < 0:
        angle += math.pi
    return PhaseOffset(math.degrees(math.remainder(angle, 2 * math.pi)), recorded is None)


def piezoresponse(measurement: Measurement) -> Array:
    """Return the piezoresponse ``A cos(phi - phi0) = X cos(phi0) + Y sin(phi0)``.

    A channel ``response`` is returned as it is; else channels ``x`` and ``y`` of a lock-in
    are projected on the phase of :func:`phase_offset`.

    Returns
    -------
    ndarray, shape (cycle, field, bias)
        In the unit of the measurement; axes that the measurement lacks have length 1.

    Raises
    ------
    DataError
        When neither is there, or an axis is not one of a loop.
    """
    if "response" in measurement.channels:
        return _loop_axes(measurement, "response")
    phi0 = math.radians(phase_offset(measurement).degrees)
    return _loop_axes(measurement, "x") * math.cos(phi0) + _loop_axes(measurement, "y") * math.sin(phi0)


def _loop_axes(measurement: Measurement, channel: str) -> Array:
    """Return one channel as (cycle, field, bias)."""
    dims = list(measurement.dims)
    if channel not in measurement.channels or "bias" not in dims or set(dims) - {"channel", "cycle", "field", "bias"}:
        raise DataError(
            f"a loop needs channel {channel!r} over cycle, field and bias; this {measurement.kind} has channels "
            f"{', '.join(measurement.channels)} over {', '.join(dims)}"
        )
    data = np.asarray(measurement.data, float)[list(measurement.channels).index(channel)]
    dims.remove("channel")
    data = data.transpose([dims.index(dim) for dim in ("cycle", "field", "bias") if dim in dims])
    for axis, dim in enumerate(("cycle", "field")):
        if dim not in dims:
            data = np.expand_dims(data, axis)
    return data


def select_loop(measurement: Measurement, field: str = "off") -> tuple[Array, Array]:
    """Return bias (V) and piezoresponse of the last cycle, both of shape (bias,).

    The first of several cycles starts from the virgin state and is therefore never taken.

    Raises
    ------
    SpecError
        When the measurement holds no loop at that ``field``.
    """
    fields = list(measurement.coords.get("field", ["off"]))
    if field not in fields:
        raise SpecError(f"field = {field!r} was asked for; the measurement holds {', '.join(map(str, fields))}")
    bias = np.asarray(measurement.coords["bias"], float)
    return bias, piezoresponse(measurement)[-1, fields.index(field)]


def loop_parameters(bias: Array, response: Array, *, tilted: bool = False) -> LoopParameters:
    """Return the parameters of one loop.

    Uncertainties are those of white noise of the level that second differences show, and for
    a coercive bias also of the step of the bias. What the loop does not show is NaN.

    Parameters
    ----------
    bias, response : ndarray, shape (bias,)
        One closed bipolar sweep (V) and the finite response to it.
    tilted : bool
        Whether a response linear in the bias lies under the loop, as the electrostatic force
        does on-field; the coercive biases are then taken relative to it.

    Raises
    ------
    DataError
        When the bias is not one bipolar sweep.
    """
    branches = split_branches(bias, response)
    noise = noise_level(response)
    weights = area_weights(bias)
    area = Estimate(float(response @ weights), noise * float(np.sqrt(weights @ weights)))
    plus = response_at(branches.falling_bias, branches.falling, 0.0, noise)
    minus = response_at(branches.rising_bias, branches.rising, 0.0, noise)
    v_minus, v_plus = coercive_biases(branches, noise, tilted=tilted)
    imprint = Estimate((v_plus.value + v_minus.value) / 2, math.hypot(v_plus.sigma, v_minus.sigma) / 2)
    upper = response_at(branches.falling_bias, branches.falling, imprint.value, noise)
    lower = response_at(branches.rising_bias, branches.rising, imprint.value, noise)
    return LoopParameters(
        area, plus, minus, _difference(plus, minus), v_minus, v_plus, imprint, _difference(upper, lower), noise
    )


def _difference(a: Estimate, b: Estimate) -> Estimate:
    return Estimate(a.value - b.value, math.hypot(a.sigma, b.sigma))


def loop_function(falling_bias: Array, rising_bias: Array, params: Mapping[str, float]) -> tuple[Array, Array]:
    """Return the nine-parameter loop function on both branches.

    ``falling = a0 + a1 S(V; a2, b0, b1) + a4 V`` and ``rising = a0 + a1 S(V; a3, b2, b3) + a4 V``
    with ``S(V; c, p, q) = [g erf((V - c) / g) + p] / (p + q)``, where the width ``g`` changes
    from ``p`` below to ``q`` above ``c`` (Jesse, Lee and Kalinin 2006,
    doi:10.1063/1.2214699). ``S`` goes from 0 to 1; ``a2`` and ``a3`` are the coercive
    biases, ``a1`` is the switchable response. The area between the branches is
    ``a1 [(a3 - a2) + (b0 - b1 - b2 + b3) / sqrt(pi)]``.

    Parameters
    ----------
    falling_bias, rising_bias : ndarray
        Bias (V), any shape.
    params : mapping
        ``a0``, ``a1`` (response), ``a2``, ``a3`` (V), ``a4`` (response per V), ``b0`` ... ``b3`` (V, positive).
    """
    p = params

    def branch(bias: Array, centre: float, below: float, above: float) -> Array:
        width = (above - below) / 2 * (erf(_SHARPNESS * (bias - centre)) + 1) + below
        switched = (width * erf((bias - centre) / width) + below) / (below + above)
        return p["a0"] + p["a1"] * switched + p["a4"] * bias

    return branch(falling_bias, p["a2"], p["b0"], p["b1"]), branch(rising_bias, p["a3"], p["b2"], p["b3"])


def fit_loop(bias: Array, response: Array) -> LoopFit:
    """Fit :func:`loop_function` to one loop by least squares; for reports, about 20 ms.

    Parameters
    ----------
    bias, response : ndarray, shape (bias,)
        One closed bipolar sweep (V) and the finite response to it.

    Raises
    ------
    DataError
        When the bias is not one bipolar sweep, or there are fewer points than parameters.
    """
    from scipy.optimize import least_squares

    if len(bias) <= len(PARAMETER_NAMES):
        raise DataError(f"a loop fit needs more than {len(PARAMETER_NAMES)} points, this loop has {len(bias)}")
    falling = _falling_points(bias)
    found = loop_parameters(bias, response)
    scale = float(np.ptp(response)) or 1.0
    span = float(np.ptp(bias))

    def curve(vector: Array) -> Array:
        params = dict(zip(PARAMETER_NAMES, vector, strict=True))
        on_falling, on_rising = loop_function(bias, bias, params)
        return np.where(falling, on_falling, on_rising)

    # Dimensionless unknowns: response in its range, bias in V over the span of the sweep.
    unit = np.array([scale, scale, span, span, scale / span, span, span, span, span])
    low = np.array([-3, -3, -1, -1, -3] + [1e-3] * 4)
    high = np.array([3, 3, 1, 1, 3] + [0.5] * 4)
    start = _first_guess(found, bias, response) / unit
    start = np.clip(start, low + 1e-6, high - 1e-6)
    result = least_squares(lambda u: (curve(u * unit) - response) / scale, start, bounds=(low, high))
    fitted = curve(result.x * unit)
    residual = float(((fitted - response) ** 2).sum())
    variance = residual / (len(bias) - len(unit))
    total = float(((response - response.mean()) ** 2).sum())
    sigma = _standard_errors(result.jac) * math.sqrt(variance) / scale * unit
    sigma[result.active_mask != 0] = math.nan
    return LoopFit(
        params=dict(zip(PARAMETER_NAMES, (result.x * unit).tolist(), strict=True)),
        sigma=dict(zip(PARAMETER_NAMES, sigma.tolist(), strict=True)),
        r2=1 - residual / total if total else math.nan,
        curve=fitted,
    )


def _falling_points(bias: Array) -> NDArray[np.bool_]:
    """Return which points of the sweep were reached by a falling bias; the maximum counts as one."""
    start = int(np.argmax(bias))
    rolled = np.roll(bias, -start)
    return np.roll(np.arange(len(bias)) <= int(np.argmin(rolled)), start)


def _first_guess(found: LoopParameters, bias: Array, response: Array) -> Array:
    """Return start values of the nine parameters; what was not found is guessed from the ranges."""
    low, high = np.percentile(response, [10, 90])
    sign = -1.0 if found.area.value < 0 else 1.0
    quarter = float(np.ptp(bias)) / 4
    a2 = found.coercive_minus.value if math.isfinite(found.coercive_minus.value) else -quarter
    a3 = found.coercive_plus.value if math.isfinite(found.coercive_plus.value) else quarter
    return np.array([low if sign > 0 else high, sign * (high - low), a2, a3, 0.0] + [quarter / 4] * 4)


def _standard_errors(jacobian: Array) -> Array:
    """Return the standard error of each unknown for unit noise; NaN where the data are silent."""
    _, singular, axes = np.linalg.svd(jacobian, full_matrices=False)
    seen = singular > 1e-6 * singular[0]
    error = np.sqrt(((axes[seen] / singular[seen, None]) ** 2).sum(axis=0))
    error[(np.abs(axes[~seen]) > 0.1).any(axis=0)] = math.nan
    return error
