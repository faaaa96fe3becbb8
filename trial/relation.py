"""Does the image tell anything about the property that its own smoothness does not tell already?

The null hypothesis: image and property know nothing of each other, but each is as smooth as it is.
Permuting single pixels would break that smoothness, and find a relation between any two smooth
maps. Two nulls keep it, and a relation is reported only where both are rejected:

- the values of the property are permuted such that the map keeps its variogram (Viladomat et al.
  2014, doi:10.1111/biom.12139): they are put in the order of a Gaussian random field whose
  covariance was fitted to them. Of textures it keeps too little;
- the image is moved over the map around its edges (toroidal shift: Lotwick & Silverman 1982,
  doi:10.1111/j.2517-6161.1982.tb01221.x), which keeps all of it, but reports too often where a map
  is hardly larger than what it shows (Mrkvicka et al. 2021, doi:10.1016/j.spasta.2020.100430).

What is compared is an error of prediction in blocks of the map that no training pixel lies in
(Roberts et al. 2017, doi:10.1111/ecog.02881), with the image and without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import norm, rankdata

from ..core.blas import one_thread
from ..core.rng import generator

Array = NDArray[np.floating]

PERMUTATIONS = 999
SHIFTS = 199
LEVEL = 0.025  # reported up to here; how often without a relation: docs/how-to/try-your-data.md
TRAINING, AUDIT = 150, 300  # pixels at most
_FITTED = 200  # pixels that the covariance is fitted to
_FEWEST = 25  # training or held-out pixels
_BLOCKS = 6  # along each edge of the map; half of them hold the training pixels
_COMPONENTS = 48
_WEIGHTS = (0.3, 0.8)  # of the image, against the coordinates
_LENGTHS = np.geomspace(0.015, 1, 14)  # of the map's longer edge
_NOISES = np.geomspace(1e-4, 30, 12)  # variance, in that of the field


@dataclass(frozen=True)
class Relation:
    """What the test found.

    Attributes
    ----------
    p_value : float
        Share of the permuted maps, the true one among them, that the image predicts at least as well;
        where that is up to ``LEVEL``, the share of shifted images if that is larger.
    gain : float
        Part of the squared error that the image takes away, of coordinates alone or of the mean,
        whichever is better; by the ranks of the property, negative when it does harm.
    permutations : int
        How many permuted maps it was compared with.
    training, held_out : int
        Pixels that were learnt from and predicted.
    """

    p_value: float
    gain: float
    permutations: int
    training: int
    held_out: int

    @property
    def found(self) -> bool:
        """Whether a relation is reported."""
        return self.p_value <= LEVEL


@one_thread
def find_relation(patches: Array, values: Array, *, seed: int = 0, permutations: int = PERMUTATIONS) -> Relation | str:
    """Test whether patches of an image predict a property beyond its own smoothness.

    Parameters
    ----------
    patches : ndarray, shape (row, column, channel, patch, patch)
        What surrounds each place of a grid, in any scaling; finite.
    values : ndarray, shape (row, column)
        The property there; NaN where it is not known.
    seed : int
        Draws the pixels and the permutations.
    permutations : int
        How many.

    Returns
    -------
    Relation or str
        Or why the map is too small for the test.
    """
    rng = generator(seed, "relation")
    place, training = _split(values, rng)
    held_out = len(place) - training
    if min(training, held_out) < _FEWEST:
        return f"the map is too small: {training} pixels to learn from and {held_out} to predict, {_FEWEST} are needed"
    at = place[:, 0], place[:, 1]
    xy = place / max(values.shape)
    maps = _with_permutations(xy, values[at], permutations, rng)
    features = _components(patches)
    distance = cdist(xy, xy[:training])
    nearness = [_matern(distance, length) for length in _LENGTHS[::2]]
    left_out, errors = _compared([near + 1 for near in nearness], maps)
    chosen = left_out.argmin(axis=0)
    alone = np.minimum(errors[chosen, np.arange(maps.shape[1])], np.mean(maps[training:] ** 2, axis=0))
    gains = np.empty(maps.shape[1])
    for number in np.unique(chosen):  # each map with the length that suits it
        its = np.flatnonzero(chosen == number)
        gains[its] = 1 - _with_image(features[at], nearness[number], maps[:, its]) / alone[its]
    p_value = float(np.mean(gains >= gains[0]))
    if p_value <= LEVEL:  # else the answer is known
        shifted = [
            1
            - _with_image(features[_moved(place, offset, values.shape)], nearness[chosen[0]], maps[:, :1])[0] / alone[0]
            for offset in _offsets(values.shape, patches.shape[-1], rng)
        ]
        p_value = max(p_value, float(np.mean([gains[0], *shifted] >= gains[0])))
    return Relation(p_value, float(gains[0]), permutations, training, held_out)


def _with_image(features: Array, nearness: Array, maps: Array) -> Array:
    """Return the errors of predicting the held-out pixels of maps with the image, shape (map,)."""
    likeness = 1 / (1 + cdist(features, features[: nearness.shape[1]], "sqeuclidean"))
    left_out, errors = _compared([weight * likeness + (1 - weight) * nearness + 1 for weight in _WEIGHTS], maps)
    return errors[left_out.argmin(axis=0), np.arange(maps.shape[1])]


def _offsets(shape: tuple[int, ...], patch: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Return shifts along rows and columns so large that patches do not overlap, in random order."""
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) for n in shape)
    far = np.argwhere(np.maximum(rows[:, None], columns) >= min(patch, min(shape) // 4 + 1))
    return list(far[rng.permutation(len(far))][:SHIFTS])


def _moved(place: NDArray[np.int64], offset: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return rows and columns from where an image that is moved shows at ``place``."""
    row, column = ((place + offset) % shape).T
    return row, column


def _split(values: Array, rng: np.random.Generator) -> tuple[NDArray[np.int64], int]:
    """Return rows and columns of the training pixels, then of the held-out pixels, and the number of the former."""
    place = np.argwhere(np.isfinite(values))
    place = place[rng.permutation(len(place))]
    block = np.ravel_multi_index(tuple((place * _BLOCKS // values.shape).T), (_BLOCKS, _BLOCKS))
    learnt = np.isin(block, rng.permutation(_BLOCKS**2)[: _BLOCKS**2 // 2])
    training = place[learnt][:TRAINING]
    return np.vstack([training, place[~learnt][:AUDIT]]), len(training)


def _with_permutations(xy: Array, values: Array, permutations: int, rng: np.random.Generator) -> Array:
    """Return the map and its permutations without their planes, one per column.

    Values are replaced by the normal scores of their ranks, so that no outlier decides.
    """
    scores = norm.ppf((rankdata(values) - 0.5) / len(values))
    plane, _ = np.linalg.qr(np.column_stack([np.ones(len(xy)), xy]))
    level = scores - plane @ (plane.T @ scores)
    kernel, noise = _covariance(xy, level, rng.permutation(len(xy))[:_FITTED])
    size, vectors = np.linalg.eigh(kernel(cdist(xy, xy)))
    fields = vectors @ (np.sqrt(np.maximum(size, 0) + noise)[:, None] * rng.standard_normal((len(xy), permutations)))
    order = fields.argsort(axis=0).argsort(axis=0)
    permuted = np.sort(scores)[order]
    maps = np.column_stack([scores, permuted])
    return maps - plane @ (plane.T @ maps)


def _covariance(xy: Array, level: Array, some: NDArray[np.int64]) -> tuple[Callable[[Array], Array], float]:
    """Return the most likely kernel over distances, and the variance of the noise on top of it.

    Marginal likelihood, its amplitude in closed form (Rasmussen & Williams 2006, eq. 5.8).
    """
    distance, values = cdist(xy[some], xy[some]), level[some]
    best: tuple[float, Callable[[Array], Array], float] | None = None
    for shape in (_smooth, _matern, _rough):
        for length in _LENGTHS:
            size, vectors = np.linalg.eigh(shape(distance, length))
            power = (vectors.T @ values) ** 2
            for noise in _NOISES:
                spread = np.maximum(size, 0) + noise
                likelihood = -len(some) * np.log(np.mean(power / spread)) - np.log(spread).sum()
                if best is None or likelihood > best[0]:
                    best = (float(likelihood), lambda d, s=shape, length=length: s(d, length), float(noise))
    assert best is not None  # there are kernels
    return best[1], best[2]


def _smooth(distance: Array, length: float) -> Array:
    return np.exp(-0.5 * (distance / length) ** 2)


def _matern(distance: Array, length: float) -> Array:
    scaled = np.sqrt(5) * distance / length
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)


def _rough(distance: Array, length: float) -> Array:
    return np.exp(-distance / length)


def _components(patches: Array) -> Array:
    """Return leading principal components of what surrounds each place, with a mean squared norm of 1.

    Seen through concentric windows that weigh the same, each half as wide as the one before: in a
    whole patch the pixel in its centre would hardly count.
    """
    from sklearn.decomposition import PCA

    middle = patches.shape[-1] // 2
    halves = [middle >> n for n in range(middle.bit_length() + 1)]
    windows = [patches[..., middle - h : middle + h + 1, middle - h : middle + h + 1] for h in halves]
    places = patches.shape[:2]
    rows = np.hstack([w.reshape(places[0] * places[1], -1) / (2 * h + 1) for w, h in zip(windows, halves, strict=True)])
    scores = PCA(min(_COMPONENTS, *rows.shape), svd_solver="covariance_eigh").fit_transform(rows)
    size = np.sqrt(np.mean(np.sum(scores**2, axis=1))) or 1.0
    return (scores / size).reshape(*places, -1)


def _compared(kernels: list[Array], maps: Array) -> tuple[Array, Array]:
    """Return errors of each kernel, as of :func:`_ridge`, both of shape (kernel, map)."""
    pairs = [_ridge(kernel, maps) for kernel in kernels]
    return np.array([left_out for left_out, _ in pairs]), np.array([error for _, error in pairs])


def _ridge(kernel: Array, maps: Array) -> tuple[Array, Array]:
    """Return mean squared errors of kernel ridge regression of all maps at once, each of shape (map,).

    First that of training pixels left out one by one, which needs no second fit (Rasmussen &
    Williams 2006, eq. 5.12) and decides the noise; then that of the held-out pixels.

    Parameters
    ----------
    kernel : ndarray, shape (pixel, training)
        The training pixels come first.
    maps : ndarray, shape (pixel, map)
    """
    training = kernel.shape[1]
    size, vectors = np.linalg.eigh(kernel[:training])
    projected, squared = vectors.T @ maps[:training], vectors**2
    predicting = kernel[training:] @ vectors
    least, error = np.full(maps.shape[1], np.inf), np.empty(maps.shape[1])
    for noise in _NOISES:
        inverse = 1 / (np.maximum(size, 0) + noise)
        scaled = projected * inverse[:, None]
        left_out = np.mean((vectors @ scaled / (squared @ inverse)[:, None]) ** 2, axis=0)
        better = left_out < least
        least[better] = left_out[better]
        error[better] = np.mean((maps[training:] - predicting @ scaled) ** 2, axis=0)[better]
    return least, error
