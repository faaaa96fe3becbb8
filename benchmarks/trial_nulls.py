"""How often ``probeline trial`` reports a relation, or time saved, where there is none.

Run as ``python -m benchmarks.trial_nulls [WORLDS]``; prints tables in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

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

from .tables import Table
from .work import Part, do_all, results

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


def reported(piece: tuple[str, int]) -> dict[str, Any]:
    """Return whether the trial reports a relation in one world."""
    name, seed = piece
    return {"world": name, "reported": bool(p_value({**WORLDS, **TWINS, **RELATED}[name](seed), seed) <= LEVEL)}


def pieces(first: int, worlds: int) -> list[tuple[str, int]]:
    """Return all worlds: a third of the twins, which take long to make, and a quarter of those with a relation."""
    counts = ((WORLDS, worlds), (TWINS, worlds // 3), (RELATED, worlds // 4))
    return [(name, first + number) for drawn, count in counts for name in drawn for number in range(count)]


def null_table(found: Sequence[dict[str, Any]]) -> Table:
    """Return how often a relation was reported, by world."""
    rows = [_row(f"no relation: {name}", _of(found, [name])) for name in (*WORLDS, *TWINS)]
    rows.append(_row("**no relation, all**", _of(found, [*WORLDS, *TWINS])))
    rows += [_row(f"relation: {name}", _of(found, [name])) for name in RELATED]
    return Table("Relations that the trial reports", ("world", "worlds", "reports", "95 % interval"), tuple(rows))


def _of(found: Sequence[dict[str, Any]], names: Sequence[str]) -> list[bool]:
    return [one["reported"] for one in found if one["world"] in names]


def _row(name: str, hits: Sequence[bool]) -> tuple[str, str, str, str]:
    if not hits:
        return name, "0", "-", "-"
    low, high = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return name, str(len(hits)), f"{100 * np.mean(hits):.1f} %", f"{100 * low:.1f} to {100 * high:.1f} %"


def savings_table(trials: int) -> Table:
    """Return how often a trial says that time is saved when agents are no better than chance.

    Everybody finds one of the best 1 % as chance has it, within 60 points.
    """
    field, rows = entrants(has_image=True), []
    for seeds in (10, 20):
        yes = []
        for trial in range(trials):
            rng = generator(trial, "trial null", seeds)
            points = {entrant: np.minimum(rng.geometric(BEST_SHARE, seeds), 60) for entrant in field}
            attempts = {who: [Attempt(int(n), bool(n < 60), 0.0) for n in taken] for who, taken in points.items()}
            yes.append(judge(OPTIMUM, attempts).answer == "yes")
        rows.append(_row(f"agents that choose by chance, {seeds} seeds", yes))
    return Table("Time saved by chance", ("trial", "trials", "says yes", "95 % interval"), tuple(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", type=int, nargs="?", default=300, help="of each kind; twins and relations have fewer")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    part = Part("nulls", pieces(given.first, given.worlds), reported)
    print(null_table(results(list(do_all([part], given.processes)), part.name)).markdown())
    print(savings_table(given.worlds).markdown())


if __name__ == "__main__":
    main()
