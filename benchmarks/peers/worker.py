"""Fits and predictions of one peer, in its own Python: ``python worker.py MODULE:METHOD JOB.npz ANSWER.npz``.

Needs NumPy and the peer, nothing of ours, so that no environment has to suit two packages.
"""

from __future__ import annotations

import importlib
import math
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from time import process_time

import numpy as np

LEAST_VARIANCE = 1e-12  # in single precision a variance may come out negative


@dataclass(frozen=True)
class Candidates:
    """What a peer may look at.

    Attributes
    ----------
    patches : ndarray, shape (candidate, channel, row, column)
        Image around each candidate, scaled by median and interquartile range of each channel.
    coordinates : ndarray, shape (candidate, 2)
        Where it lies, 0 to 1.
    features : ndarray, shape (candidate, feature)
        What ``patch_gp`` sees: principal components of the surroundings, then the coordinates.
    patch_columns : int
        How many of the features are components.
    seed : int
        Of whatever the peer draws.
    """

    patches: np.ndarray
    coordinates: np.ndarray
    features: np.ndarray
    patch_columns: int
    seed: int

    @property
    def pixels(self) -> np.ndarray:
        """All channels of a patch in one row, single precision, shape (candidate, channel x row x column)."""
        return self.patches.reshape(len(self.patches), -1).astype(np.float32)


# Candidates measured and standardised outcomes -> mean and variance of the objective at all candidates, and the
# variance of the noise of a measurement.
Method = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, float]]


def from_zero_to_one(method: Method) -> Method:
    """Return ``method`` as one that is told outcomes from 0 to 1, as users of AtomAI and gpax scale them."""

    def decide(index: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        low, width = target.min(), np.ptp(target)
        mean, variance, noise = method(index, (target - low) / width)
        return mean * width + low, variance * width**2, noise * width**2

    return decide


def most_improving(mean: np.ndarray, std: np.ndarray, best: float) -> int:
    """Return the candidate with the largest expected improvement."""
    z = (mean - best) / std
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
    return int(np.argmax(std * (z * below + density)))


def answer(method: Method, order: np.ndarray, values: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return predictions after each number of outcomes, in their unit, and the CPU-seconds of each decision."""
    found: dict[str, list] = {"mean": [], "std": [], "noise": [], "cpu_s": []}
    for size in sizes:
        index, value = order[:size], values[:size]
        began = process_time()
        center, spread = value.mean(), value.std()
        target = (value - center) / spread
        mean, variance, noise = method(index, target)
        mean, std = np.asarray(mean, float), np.sqrt(np.maximum(np.asarray(variance, float), LEAST_VARIANCE))
        most_improving(mean, std, target.max())
        found["cpu_s"].append(process_time() - began)
        found["mean"].append(mean * spread + center)
        found["std"].append(std * spread)
        found["noise"].append(math.sqrt(noise) * spread)
    return {name: np.array(part) for name, part in found.items()}


def main(entry: str, job: str, result: str) -> None:
    """Answer one job."""
    module, name = entry.split(":")
    peer = importlib.import_module(module)
    with np.load(job) as given:
        candidates = Candidates(
            given["patches"], given["coordinates"], given["features"], int(given["patch_columns"]), int(given["seed"])
        )
        order, values, sizes = given["order"], given["values"], given["sizes"]
    found = answer(getattr(peer, name)(candidates), order, values, sizes)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    versions = [f"{package} {version(package)}" for package in peer.PACKAGES]
    np.savez(result, **found, peak_mb=peak_mb, versions=versions)


if __name__ == "__main__":
    main(*sys.argv[1:])
