"""The hidden truth of a PFM twin: film, law, tip, drift, and what was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from ...core.rng import generator
from ..drift import Drift
from ..state import Real, TwinState
from ..world import World
from .film import Family, Film
from .loops import LoopParameters, polygon_area, run_cycles, sweep
from .writing import Written, domain_radius

_IMPRINT_SHIFT = 0.15  # V, of a place whose polarisation was switched fully: a modelling choice
_NEAR_EXTREME = 0.05  # share of a cycle that the bias is within 10 % of its negative extreme


class Domain(BaseModel):
    """One domain that a loop left: where (m), how large (m), polarisation, and shift of later loops (V)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["domain"]
    time: Real
    exposure: int
    x: Real
    y: Real
    radius: Real = Field(ge=0)
    polarization: Real = Field(ge=-1, le=1)
    imprint: Real


class PFMState(TwinState):
    """State of a PFM twin; ``family`` is that of the film."""

    family: Family
    acts: list[Domain]  # pyright: ignore[reportIncompatibleVariableOverride]


@dataclass(frozen=True)
class Tip:
    """The tip and the electronics behind it, drawn per world.

    Attributes
    ----------
    psf : float
        Standard deviation (m) of the point spread function; FWHM 15 to 35 nm.
    phase : float
        Phase (rad) that the electronics add, -pi to pi.
    resonance, quality : float
        Contact resonance (Hz), 320 to 380 kHz, and its quality factor, 80 to 200.
    electrostatic : float
        Electrostatic response per bias (m/V per V), 1 to 4 pm/V per V.
    surface_potential : float
        Bias (V) at which it vanishes, -0.3 to 0.3.
    slope : ndarray, shape (2,)
        Tilt of the sample (m/m) along x and y, each up to 1 degree.
    """

    psf: float
    phase: float
    resonance: float
    quality: float
    electrostatic: float
    surface_potential: float
    slope: NDArray[np.float64]

    @classmethod
    def draw(cls, seed: int, tilt: float) -> Tip:
        """Return the tip of the world ``seed``; ``tilt`` multiplies the slope."""
        rng = generator(seed, "tip")
        return cls(
            psf=rng.uniform(15e-9, 35e-9) / 2.3548,
            phase=rng.uniform(-np.pi, np.pi),
            resonance=rng.uniform(320e3, 380e3),
            quality=rng.uniform(80, 200),
            electrostatic=rng.uniform(1e-12, 4e-12),
            surface_potential=rng.uniform(-0.3, 0.3),
            slope=tilt * rng.uniform(-1, 1, 2) * np.tan(np.radians(1)),
        )

    def gain(self, amplitude: float, frequency: float, setpoint: float) -> complex:
        """Return lock-in output (m) per response (m/V), X + iY.

        Parameters
        ----------
        amplitude, frequency : float
            Of the drive (V, Hz); the contact resonance is a simple harmonic oscillator.
        setpoint : float
            Deflection (V); the contact is full above about 0.5 V.
        """
        ratio = frequency / self.resonance
        oscillator = 1 / (1 - ratio**2 + 1j * ratio / self.quality)
        return complex(amplitude * -np.expm1(-setpoint / 0.2) * oscillator * np.exp(1j * self.phase))


class PFMWorld(World):
    """A ferroelectric film under a tip. Only scoring code may read it.

    Sample coordinates are scanner coordinates plus :attr:`drift`. Not modelled: the in-plane
    response, the chance in nucleation and its short memory (the same bias always switches the
    same share), and poling by a bias that is held.

    Parameters
    ----------
    seed : int
        Seed of everything random.
    family : str
        Family of the film, as in :meth:`Film.draw`.
    drift, noise, tilt : float
        Severity of each fault; 1 is an honest instrument, 0 a perfect one.
    state : dict, optional
        What :meth:`state` returned before.
    pace : float, optional
        Virtual seconds per wall second.
    film : Film, optional
        The film of this seed and family where it is at hand; drawing it takes longest.
    """

    def __init__(
        self,
        seed: int,
        family: Family = "mixed",
        *,
        drift: float = 1.0,
        noise: float = 1.0,
        tilt: float = 1.0,
        state: dict[str, Any] | None = None,
        pace: float | None = None,
        film: Film | None = None,
    ):
        super().__init__(seed, state, pace)
        self.family = family
        self.noise_scale = noise
        self.tip = Tip.draw(seed, tilt)
        self.film = film or Film.draw(seed, family, self.tip.psf)
        self.drift = Drift(seed, scale=drift)
        self.z_drift = Drift(seed, "z_drift", axes=1, velocity=0.005e-9, settling=0.02e-9, scale=drift)
        self._written = Written(self.acts, self.tip.psf)

    def state(self) -> dict[str, Any]:
        """Return seed, family, time, exposures and acts; JSON."""
        return {**super().state(), "family": self.family}

    def written(self) -> Written:
        """Return the domains written until now."""
        self._written.follow(self.acts)
        return self._written

    def surface(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the tip finds at sample coordinates ``x, y`` (m).

        Returns
        -------
        height : ndarray
            Surface with the tilt of the sample (m), shape of ``x``.
        response : ndarray
            Off-field piezoresponse (m/V), shape of ``x``.
        """
        x, y = np.asarray(x, float), np.asarray(y, float)
        height, response = self.film.image.at(x, y, "height", "response")
        height += self.tip.slope[0] * x + self.tip.slope[1] * y
        if x.size and len(self.written().near(x, y)):
            kept, polarization, _ = self.written().felt(x, y)
            switchable, pristine = self.film.image.at(x, y, "switchable", "switchable_pristine")
            response += (kept - 1) * pristine + polarization * switchable
        return height, self.film.law.d33 * response

    def loops(
        self, x: NDArray[np.float64], y: NDArray[np.float64], frequency: float
    ) -> tuple[LoopParameters, NDArray[np.float64]]:
        """Return the loops at sample coordinates, and the polarisation that is there now.

        Parameters
        ----------
        x, y : ndarray, shape (point,)
            Sample coordinates (m).
        frequency : float
            Frequency of the bias cycle (Hz).

        Returns
        -------
        loops : LoopParameters
            Of each point.
        up : ndarray, shape (point,)
            Share of up polarisation, 0 to 1.
        """
        coercivity, switchable, offset, stuck = self.film.properties_at(x, y)
        kept, polarization, shift = self.written().felt(x, y)
        polarization = polarization + kept * self.film.image.at(x, y, "polarization")[0]
        loops = self.film.law.loops(coercivity, switchable, offset + shift, stuck, frequency)
        return loops, np.clip(0.5 * (1 + polarization), 0, 1)

    def electrostatic(self, bias: ArrayLike) -> NDArray[np.float64]:
        """Return the response (m/V) that ``bias`` (V) adds while it is applied."""
        return self.tip.electrostatic * (np.asarray(bias, float) - self.tip.surface_potential)

    def write(self, exposure: int, x: float, y: float, up: tuple[float, float], v_max: float, seconds: float) -> None:
        """Note that a loop left a domain; further cycles of one exposure replace what it noted.

        Parameters
        ----------
        exposure : int
            Index of the measurement.
        x, y : float
            Centre, sample coordinates (m).
        up : tuple of float
            Share of up polarisation at the tip before and after.
        v_max : float
            Largest bias (V).
        seconds : float
            Duration of all cycles until now, without the overhead.
        """
        before, after = up
        if self.acts and self.acts[-1]["exposure"] == exposure:
            self.acts.pop()
        radius = domain_radius(v_max, seconds * _NEAR_EXTREME)
        # The space charge that gathers favours the new state: down moves the loop to the right.
        shift = _IMPRINT_SHIFT * (before - after)
        place = {"x": x, "y": y, "radius": radius}
        self.act(kind="domain", exposure=exposure, **place, polarization=2 * after - 1, imprint=shift)

    def truth(self, x: ArrayLike, y: ArrayLike, loop: Mapping[str, Any], gain: float) -> dict[str, NDArray[np.float64]]:
        """Return noise-free loop properties at sample coordinates; for scoring only.

        Parameters
        ----------
        x, y : array_like
            Sample coordinates (m), of one shape.
        loop : mapping
            Settings of the loop: ``v_max`` (V), ``steps``, ``cycles``, ``step_time`` (s).
        gain : float
            Lock-in output (m) per response (m/V).

        Returns
        -------
        dict of str to ndarray
            Each of the shape of ``x``: ``area`` (m x V) enclosed by the last off-field cycle,
            ``height`` (m) between its extremes, ``coercive`` and ``imprint`` (V) of the law.
        """
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        bias = sweep(loop["v_max"], loop["steps"])
        parts = []
        for first in range(0, x.size, 2048):
            chunk = slice(first, first + 2048)
            loops, up = self.loops(x.ravel()[chunk], y.ravel()[chunk], cycle_frequency(loop))
            last = gain * loops.response(bias, run_cycles(bias, loops, up, loop["cycles"])[:, -1])
            coercive, imprint = 0.5 * (loops.v_plus - loops.v_minus), 0.5 * (loops.v_plus + loops.v_minus)
            parts.append(np.stack([polygon_area(bias, last), np.ptp(last, axis=1), coercive, imprint]))
        values = np.concatenate(parts, axis=1).reshape(4, *x.shape)
        return dict(zip(("area", "height", "coercive", "imprint"), values, strict=True))


def cycle_frequency(loop: Mapping[str, Any]) -> float:
    """Return the frequency (Hz) of one bias cycle; each step is held with and without bias."""
    return 1 / (2 * loop["steps"] * loop["step_time"])
