"""What contact-mode PFM records while the tip runs over the film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .raster import Raster
from .world import PFMWorld

_SIGNALS = {"height": "m", "x": "m", "y": "m", "deflection": "V", "amplitude": "m", "phase": "rad"}
CHANNELS = [{"name": f"{name}_{way}", "unit": unit} for name, unit in _SIGNALS.items() for way in ("trace", "retrace")]

INVOLS = 80e-9  # m/V
LAG = 0.2e-3  # s, of the z loop
LOCK_IN_NOISE = 0.1e-12  # m sqrt(s) per quadrature: 1.6 pm in 4 ms
_HEIGHT_NOISE = 40e-12  # m per pixel
_LINE_NOISE = 30e-12  # m, offset of each line of the trace and of the retrace
_DEFLECTION_NOISE = 0.3e-3  # V per pixel


@dataclass(frozen=True)
class Excitation:
    """How the tip is held and driven during a frame.

    Attributes
    ----------
    bias, setpoint : float
        Constant bias and deflection (V).
    gain : complex
        Lock-in output (m) per response (m/V).
    """

    bias: float
    setpoint: float
    gain: complex


def scan_lines(
    world: PFMWorld, raster: Raster, excitation: Excitation, rows: NDArray[np.int64], start: float, exposure: int
) -> NDArray[np.float64]:
    """Return lines of a frame, shape (channel, row, pixel), in the order of :data:`CHANNELS`.

    Every pixel is taken where the drifting sample is under the tip at its own time. The z
    loop follows the surface as a first-order lag; what it misses is deflection.

    Parameters
    ----------
    world : PFMWorld
        The truth.
    raster : Raster
        The frame.
    excitation : Excitation
        How the tip is held and driven.
    rows : ndarray of int, shape (row,)
        Which lines.
    start : float
        Instrument time (s) at which line 0 begins.
    exposure : int
        Index of the frame; with the line it is the key of the noise.
    """
    times = start + raster.times(rows)
    x, y = raster.coordinates(rows)
    shift_x, shift_y = world.drift(times)
    height, response = world.surface(x + shift_x, y + shift_y)
    noise = _noise(world, raster, rows, exposure)
    height += world.z_drift(times)[0]
    lagging = LAG * _rate(height, raster.pixel_time)
    height += _HEIGHT_NOISE * noise[0] + _LINE_NOISE * _line_noise(world, rows, exposure) - lagging
    signal = excitation.gain * (response + world.electrostatic(excitation.bias))
    quadrature = LOCK_IN_NOISE / np.sqrt(raster.pixel_time)
    in_phase = signal.real + quadrature * noise[1]
    out_of_phase = signal.imag + quadrature * noise[2]
    deflection = excitation.setpoint + lagging / INVOLS + _DEFLECTION_NOISE * noise[3]
    amplitude, phase = np.hypot(in_phase, out_of_phase), np.arctan2(out_of_phase, in_phase)
    both = np.stack([height, in_phase, out_of_phase, deflection, amplitude, phase])
    return both.reshape(len(CHANNELS), len(rows), raster.pixels)


def _rate(height: NDArray[np.float64], pixel_time: float) -> NDArray[np.float64]:
    """Return the rate of change in time (m/s), shape (2, row, pixel); the retrace runs backwards."""
    if height.shape[-1] == 1:
        return np.zeros_like(height)
    rate = np.gradient(height, pixel_time, axis=-1)
    rate[1] *= -1
    return rate


def _noise(world: PFMWorld, raster: Raster, rows: NDArray[np.int64], exposure: int) -> NDArray[np.float64]:
    """Return scaled normal noise of height, X, Y and deflection, shape (4, 2, row, pixel)."""
    shape = (4, 2, raster.pixels)
    lines = [world.noise("frame", exposure, int(row)).standard_normal(shape) for row in rows]
    return world.noise_scale * np.stack(lines, axis=2)


def _line_noise(world: PFMWorld, rows: NDArray[np.int64], exposure: int) -> NDArray[np.float64]:
    """Return scaled normal noise of whole lines, shape (2, row, 1)."""
    offsets = [world.noise("line", exposure, int(row)).standard_normal(2) for row in rows]
    return world.noise_scale * np.stack(offsets, axis=1)[:, :, None]
