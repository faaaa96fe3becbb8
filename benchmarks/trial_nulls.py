"""How often ``probeline trial`` reports a relation, or time saved, where there is none.

Run as ``python -m benchmarks.trial_nulls [WORLDS]``; prints tables in Markdown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from probeline.analysis.channels import derive_channels
from probeline.core.rng import generator
from probeline.sim.pfm.backend import open_world
from probeline.sim.pfm.driver import PFMDriver
from probeline.sim.pfm.truth import open_truth
from probeline.trial.choosing import MeasuredMap
from probeline.trial.contest import OPTIMUM, Attempt, entrants
from probeline.trial.objective import PropertyMap
from probeline.trial.relation import LEVEL, find_relation
from probeline.trial.saving import judge
from probeline.trial.task import BEST_SHARE, patch_pixels, problem_of

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
Draw = Callable[[int], Pair]
_PIXELS = 40
_FILM_NM = 1200.0


def smooth_field(rng: np.random.Generator, pixels: int, length: float) -> Array:
    """Return a Gaussian random field of correlation length ``length`` (pixels) that is not periodic."""
    edge = 2 * pixels
    wave = 2 * np.pi * np.hypot(np.fft.fftfreq(edge)[:, None], np.fft.rfftfreq(edge))
    noise = np.fft.rfft2(rng.standard_normal((edge, edge)))
    field = np.fft.irfft2(noise * np.exp(-0.25 * (wave * length) ** 2), s=(edge, edge))[:pixels, :pixels]
    return (field - field.mean()) / field.std()


def fields(image: float, sought: float, *, noise: float, tilt: float = 0.0, related: bool = False) -> Draw:
    """Return what draws an image and a property of these correlation lengths (pixels); by seed."""

    def draw(seed: int) -> Pair:
        rng = generator(seed, "trial null", str(image), str(sought))
        row, column = np.mgrid[-1 : 1 : _PIXELS * 1j, -1 : 1 : _PIXELS * 1j]
        first = smooth_field(rng, _PIXELS, image)
        second = first if related else smooth_field(rng, _PIXELS, sought)
        first = first + tilt * (row + 0.5 * column) + 0.05 * rng.standard_normal(first.shape)
        return first, second + tilt * (column - 0.3 * row) + noise * rng.standard_normal(second.shape)

    return draw


def film(family: str) -> Draw:
    """Return what draws a survey of the twin, its signed response, and the loop area with 3 % noise."""

    def draw(seed: int) -> Pair:
        options = {"seed": seed, "family": family, "drift": 0.0}
        driver = PFMDriver(open_world(options))
        driver.approach()
        frame = {"center_x": 0.0, "center_y": 0.0, "width": _FILM_NM * 1e-9, "height": _FILM_NM * 1e-9}
        survey = driver.start_scan({**frame, "angle": 0.0, "slow": "up", "pixels": _PIXELS, "lines": _PIXELS}).result()
        images, names = derive_channels(survey["data"], list(survey["channels"]))
        axis = ((np.arange(_PIXELS) + 0.5) / _PIXELS - 0.5) * _FILM_NM * 1e-9
        x, y = np.meshgrid(axis, axis)
        area = open_truth(options).maps(x.ravel(), y.ravel())["area"].reshape(x.shape)
        noise = 0.03 * area.std() * generator(seed, "trial null", family).standard_normal(area.shape)
        return images[names.index("response")], area + noise

    return draw


WORLDS: dict[str, Draw] = {
    "rough image, rough property": fields(2, 2, noise=0.3),
    "both smooth over 5 pixels": fields(5, 5, noise=0.1),
    "smooth image, smoother property": fields(5, 15, noise=0.05),
    "both smooth over a third of the map": fields(12, 12, noise=0.05),
    "the same, both tilted": fields(12, 12, noise=0.05, tilt=3.0),
    "both smooth over half of the map": fields(20, 20, noise=0.02),
}
TWINS: dict[str, Draw] = {
    "twin, hidden defects (null_hidden)": film("null_hidden"),
    "twin, trend only (null_trend)": film("null_trend"),
}
RELATED: dict[str, Draw] = {
    "property is the image, noise 0.5": fields(4, 4, noise=0.5, related=True),
    "property is the image, noise 2": fields(4, 4, noise=2.0, related=True),
    "smooth over a quarter, noise 0.5": fields(10, 10, noise=0.5, related=True),
    "twin, domains (mixed)": film("mixed"),
}


def p_value(pair: Pair, seed: int) -> float:
    """Return what the trial's own test says of an image and a property."""
    image, sought = pair
    measured = np.ones(sought.shape, bool)
    held = PropertyMap("property", "", sought, np.full(sought.shape, np.nan), measured, ())
    chosen = MeasuredMap("null", held, ("image",), image[None], 1.0, ())
    problem = problem_of(chosen, patch_pixels(sought.shape), 1, None)
    rows, columns = (len(np.unique(problem.pixel[:, axis])) for axis in (0, 1))
    values = sought[problem.pixel[:, 0], problem.pixel[:, 1]].reshape(rows, columns)
    patches = problem.patches.reshape(rows, columns, *problem.patches.shape[1:])
    found = find_relation(patches, values, seed=seed, permutations=199)
    assert not isinstance(found, str)
    return found.p_value


def lines(worlds: int) -> Iterator[str]:
    """Yield the rows of the table."""
    yield "| world | worlds | reports | 95 % interval |"
    yield "| --- | --- | --- | --- |"
    total, of = 0, 0
    for drawn, number in ((WORLDS, worlds), (TWINS, worlds // 3)):  # a twin takes long to make
        for name, draw in drawn.items():
            count = _reports(draw, number)
            total, of = total + count, of + number
            yield _row(f"no relation: {name}", count, number)
    yield _row("**no relation, all**", total, of)
    for name, draw in RELATED.items():
        yield _row(f"relation: {name}", _reports(draw, worlds // 4), worlds // 4)


def _reports(draw: Draw, worlds: int) -> int:
    return sum(p_value(draw(seed), seed) <= LEVEL for seed in range(worlds))


def _row(name: str, count: int, worlds: int) -> str:
    low, high = binomtest(count, worlds).proportion_ci(method="wilson")
    return f"| {name} | {worlds} | {100 * count / worlds:.1f} % | {100 * low:.1f} to {100 * high:.1f} % |"


def false_savings(worlds: int, seeds: int) -> str:
    """Return the row of a trial in which agents are no better than chance.

    Everybody finds one of the best 1 % as chance has it, within 60 points.
    """
    field, yes = entrants(has_image=True), 0
    for world in range(worlds):
        rng = generator(world, "trial null", seeds)
        points = {entrant: np.minimum(rng.geometric(BEST_SHARE, seeds), 60) for entrant in field}
        attempts = {who: [Attempt(int(n), bool(n < 60), 0.0) for n in taken] for who, taken in points.items()}
        yes += judge(OPTIMUM, attempts).answer == "yes"
    return _row(f"agents that choose by chance, {seeds} seeds", yes, worlds)


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for line in lines(asked):
        print(line, flush=True)
    print("| trial | trials | says yes | 95 % interval |\n| --- | --- | --- | --- |")
    for number in (10, 20):
        print(false_savings(asked, number), flush=True)
