"""What agents are compared on: candidates, an oracle that measures them, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from probeline.agents.problem import CandidateSpec, Problem, build_problem
from probeline.analysis.channels import derived_names
from probeline.analysis.measurement import Measurement, Scalar
from probeline.analysis.scalarizers import get_scalarizer
from probeline.analysis.scoring import optimum_regions
from probeline.analysis.spectra import window_mask
from probeline.core.rng import generator
from probeline.sim.pfm.backend import open_world
from probeline.sim.pfm.driver import PFMDriver
from probeline.sim.pfm.spectroscopy import OVERHEAD, LoopSettings
from probeline.sim.pfm.truth import open_truth as open_film
from probeline.sim.replay.dataset import Timing
from probeline.sim.replay.truth import DatasetTruth
from probeline.sim.replay.truth import open_truth as open_dataset

Array = NDArray[np.float64]

PATCH_PIXELS = 15
PROBES = 200  # candidates on which the coverage of outcomes is judged
FILM = {"size_nm": 1200.0, "pixels": 80}  # pixels as large as those of the twin's default survey
SI_KA_EV = {"low_eV": 1690.0, "high_eV": 1790.0}
# Of the twin's driver: engaging, moving, a line of 1 s; a loop of default settings.
FILM_TIMING = Timing(
    spectrum_s=OVERHEAD + LoopSettings.checked({}).duration,
    line_s=1.0, settle_s=0.5, shortest_move_s=0.2, speed=10e-6, approach_s=20.0, withdraw_s=2.0,
)  # fmt: skip
LOCKED = ("grains", "needles")  # while agents were made, none with a model was run on these
FAMILIES = ("c180", "ac_stripes", "mixed", *LOCKED, "null_hidden", "null_trend")


class Probes(NamedTuple):
    """Candidates, their outcomes, and the noise that the outcomes state (0 where they state none)."""

    candidate: NDArray[np.int64]
    value: Array
    sigma: Array


@dataclass(frozen=True, eq=False)
class Task:
    """One benchmark problem, of one seed.

    Attributes
    ----------
    name : str
        Name of the task, the same for all seeds.
    seed : int
        Of everything random in it.
    problem : Problem
        What agents see.
    measure : callable
        ``measure(candidate) -> Scalar``; the same candidate gives the same outcome whoever asks.
    spectrum : callable or None
        ``spectrum(candidate) -> Measurement``: what the outcome is made of, where there is more than a number.
    truth : ndarray, shape (candidate,)
        What predictions are scored against, in the unit of the objective.
    peaks : ndarray, shape (candidate,)
        What optima are sought in: the truth, smoothed where it is noisy itself.
    truth_noise : callable
        Predicted mean -> standard deviation of the noise in ``truth``, both of shape (candidate,).
    regret_unit : float
        Regret is divided by it.
    timing : Timing
        What moving, a survey line and a measurement cost.
    survey_lines : int
        Lines of the survey, and pixels of each.
    floor : float
        RMSE that no prediction can beat, because the truth is noisy; 0 where it is not.
    """

    name: str
    seed: int
    problem: Problem
    measure: Callable[[int], Scalar]
    truth: Array
    peaks: Array
    truth_noise: Callable[[Array], Array]
    timing: Timing
    survey_lines: int
    regret_unit: float = 1.0
    floor: float = 0.0
    spectrum: Callable[[int], Measurement] | None = None

    def instrument_seconds(self, order: Sequence[int]) -> float:
        """Return what approach, survey and measuring these candidates in this order cost (s)."""
        places = np.vstack([[0.0, 0.0], self.problem.points[np.asarray(order, int)]]) * 1e-9
        moves = (self.timing.move_s(float(step)) for step in np.hypot(*np.diff(places, axis=0).T))
        survey = self.survey_lines * self.timing.frame_line_s(self.survey_lines)
        return self.timing.approach_s + survey + sum(moves) + len(order) * self.timing.spectrum_s

    @cached_property
    def probes(self) -> Probes:
        """Outcomes at candidates that the seed draws; no agent is told."""
        drawn = generator(self.seed, "probes").permutation(len(self.problem))[:PROBES]
        found = [(candidate, self.measure(int(candidate))) for candidate in drawn]
        good = [(candidate, scalar.value, scalar.sigma) for candidate, scalar in found if scalar.flag == "ok"]
        candidate, value, sigma = np.array(good).T
        return Probes(candidate.astype(np.int64), value, np.nan_to_num(sigma))

    @cached_property
    def regions(self) -> NDArray[np.int64]:
        """Number of the optimum that each candidate belongs to, 0 for none: the best 1 %."""
        return optimum_regions(self.peaks, self.problem.points, distance_nm=1.5 * self.problem.steps[0])

    @cached_property
    def best(self) -> NDArray[np.int64]:
        """The best 1 % of the candidates."""
        return np.flatnonzero(self.regions)


def task_names() -> list[str]:
    """Return the names of all tasks."""
    return ["beacon-dkl", "stem-eds-particles", *(f"pfm-{family.replace('_', '-')}" for family in FAMILIES)]


def is_locked(task: str) -> bool:
    """Return whether a task belongs to the locked test."""
    return task in {f"pfm-{family}" for family in LOCKED}


def make_task(name: str, seed: int) -> Task:
    """Return the task ``name`` of one seed."""
    if name == "beacon-dkl":
        return beacon_task(seed)
    if name == "stem-eds-particles":
        return eds_task(seed)
    return film_task(name.removeprefix("pfm-").replace("-", "_"), seed)


def exact(mean: Array) -> Array:
    """Noise of a truth that has none."""
    return np.zeros_like(mean)


def _dataset_problem(source: DatasetTruth, objective: str) -> Problem:
    """Return all measured pixels with a whole patch around them as candidates."""
    data = source.dataset
    names = [channel["name"] for channel in data.channels]
    spec = CandidateSpec(channels=tuple(derived_names(names)), patch_pixels=PATCH_PIXELS)
    x, y = np.moveaxis(source.xy * 1e9, -1, 0)
    return build_problem(data.images, names, x, y, spec, objective=objective, admissible=source.valid)


def beacon_task(seed: int) -> Task:
    """Return the published PFM map: what is measured at a pixel is the truth."""
    source = open_dataset("beacon-dkl", {})
    problem = _dataset_problem(source, "loop_height")
    truth = np.array([source.full(row, column)[0] for row, column in problem.pixel])

    def measure(candidate: int) -> Scalar:
        return Scalar(float(truth[candidate]), np.nan, 1.0, "ok", "")

    lines = len(source.valid)
    return Task("beacon-dkl", seed, problem, measure, truth, truth, exact, source.dataset.timing, lines)


def eds_task(seed: int) -> Task:
    """Return Si K alpha counts: half of the X-rays is served, the other half is the truth."""
    source = open_dataset("stem-eds-particles", {"seed": seed, "thin": 0.5})
    data, scalarizer = source.dataset, get_scalarizer("spectral_window_sum")
    problem = _dataset_problem(source, "spectral_window_sum")
    window = window_mask(np.asarray(data.axes.coords["energy"], float), SI_KA_EV["low_eV"], SI_KA_EV["high_eV"])
    rows, columns = data.valid.shape
    withheld = np.array(
        [[source.held_out(row, column)[0, window].sum() for column in range(columns)] for row in range(rows)]
    )
    at = problem.pixel[:, 0], problem.pixel[:, 1]
    truth = withheld[at]

    def spectrum(candidate: int) -> Measurement:
        row, column = problem.pixel[candidate]
        axes = data.axes
        served = source.served(int(row), int(column))
        return Measurement(axes.kind, served, axes.dims, axes.channels, axes.coords, axes.unit)

    return Task(
        "stem-eds-particles",
        seed,
        problem,
        lambda candidate: scalarizer(spectrum(candidate), SI_KA_EV),
        truth,
        uniform_filter(withheld, 3)[at],
        lambda mean: np.sqrt(np.maximum(mean, 1.0)),  # Poisson; one count where next to nothing is predicted
        data.timing,
        rows,
        floor=float(np.sqrt(truth.mean())),
        spectrum=spectrum,
    )


def film_task(family: str, seed: int) -> Task:
    """Return a simulated film: the loop area, every loop measured on the pristine film."""
    options = {"seed": seed, "family": family, "drift": 0.0}
    world = open_world(options)
    driver = PFMDriver(world)
    driver.approach()
    size, pixels = FILM["size_nm"] * 1e-9, int(FILM["pixels"])
    frame = {"center_x": 0.0, "center_y": 0.0, "width": size, "height": size, "angle": 0.0, "slow": "up"}
    survey = driver.start_scan({**frame, "pixels": pixels, "lines": pixels}).result()
    axis = ((np.arange(pixels) + 0.5) / pixels - 0.5) * FILM["size_nm"]
    x, y = np.meshgrid(axis, axis)
    spec = CandidateSpec(channels=tuple(derived_names(survey["channels"])), patch_pixels=PATCH_PIXELS)
    problem = build_problem(survey["data"], survey["channels"], x, y, spec, objective="loop_area")
    where = problem.points.T * 1e-9
    truth = open_film(options).maps(where[0], where[1])["area"] * 1e12
    scalarizer, first = get_scalarizer("loop_area"), world.exposures

    def spectrum(candidate: int) -> Measurement:
        world.exposures = first + candidate  # noise belongs to the candidate, not to the order of measurements
        driver.move(*(float(v) for v in where[:, candidate]))
        found = driver.start_spectrum("switching_loop", {}).result()
        world.acts.clear()  # the film is pristine again
        shape = {name: found[name] for name in ("kind", "dims", "channels", "coords")}
        return Measurement(data=found["data"] * 1e12, unit="pm", **shape)

    def measure(candidate: int) -> Scalar:
        return scalarizer(spectrum(candidate))

    name = f"pfm-{family.replace('_', '-')}"
    unit = float(truth.std())
    return Task(
        name, seed, problem, measure, truth, truth, exact, FILM_TIMING, pixels, regret_unit=unit, spectrum=spectrum
    )
