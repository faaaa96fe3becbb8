"""Synthetic measured maps."""

from __future__ import annotations

import numpy as np

from probeline.core.rng import generator
from probeline.trial.choosing import MeasuredMap
from probeline.trial.objective import PropertyMap


def smooth(seed: int, pixels: int = 24, length: float = 3.0) -> np.ndarray:
    """A Gaussian random field, mean 0 and standard deviation 1."""
    edge = 2 * pixels
    wave = 2 * np.pi * np.hypot(np.fft.fftfreq(edge)[:, None], np.fft.rfftfreq(edge))
    noise = np.fft.rfft2(generator(seed, "smooth").standard_normal((edge, edge)))
    field = np.fft.irfft2(noise * np.exp(-0.25 * (wave * length) ** 2), s=(edge, edge))[:pixels, :pixels]
    return (field - field.mean()) / field.std()


def measured(values: np.ndarray, image: np.ndarray | None, unit: str = "V") -> MeasuredMap:
    """A measured map of these numbers, all of them good."""
    sought = PropertyMap("gain", unit, values, np.full(values.shape, np.nan), np.isfinite(values), ())
    images = np.empty((0, *values.shape)) if image is None else image[None]
    return MeasuredMap("made", sought, () if image is None else ("haadf",), images, 2.0, ())
