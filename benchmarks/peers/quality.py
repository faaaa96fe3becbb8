"""Everybody predicts the same films from the same random points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time

import numpy as np
from numpy.typing import NDArray

from benchmarks.loops import benchmark_spec
from benchmarks.tasks import LOCKED, Task, make_task
from probeline.agents.base import seed_order
from probeline.agents.spec import make_agent
from probeline.analysis.measurement import Scalar
from probeline.analysis.scoring import prediction_scores

from .jobs import PEERS, Prediction, Question, ask

Field = tuple[str, int]  # task and seed

SIZES = (30, 80, 160)
# Seeds that no other benchmark uses, so that neither has seen the films of the other.
FIELDS: tuple[Field, ...] = tuple((f"pfm-{family}", seed) for family in LOCKED for seed in range(300, 305))
DEVELOPMENT: tuple[Field, ...] = tuple(("pfm-mixed", seed) for seed in range(1000, 1030))
OURS = ("patch_gp", "dkl", "gp")
MEAN = "mean predictor"
ASKED = tuple(peer for peer in PEERS if not peer.endswith("kept"))
METHODS = (*OURS, *ASKED, MEAN)


@dataclass(frozen=True)
class Score:
    """How well one method predicted the candidates of one film that were not measured.

    Attributes
    ----------
    task, seed, method, size
        Which film, who, and from how many outcomes.
    rmse : float
        Against the truth without noise, in its standard deviations.
    nlpd : float
        Of measurements (nat), in the same unit.
    coverage, latent : float
        Share inside 90 % intervals: of measurements, and of the truth without noise.
    cpu_s : float
        Of fit, prediction and acquisition.
    """

    task: str
    seed: int
    method: str
    size: int
    rmse: float
    nlpd: float
    coverage: float
    latent: float
    cpu_s: float


@dataclass(frozen=True)
class Film:
    """A film of which every candidate was measured once.

    Attributes
    ----------
    task : Task
        The candidates and the truth.
    found : list of Scalar
        One measurement of each candidate.
    order : ndarray of int, shape (outcome,)
        The points that everybody gets: the seed design of the agents, without failed measurements.
    """

    task: Task
    found: list[Scalar]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, task: str, seed: int) -> Film:
        """Make and measure one."""
        made = make_task(task, seed)
        found = [made.measure(candidate) for candidate in range(len(made.problem))]
        order = [c for c in seed_order(made.problem, seed) if found[c].flag == "ok"][: max(SIZES)]
        return cls(made, found, np.array(order))

    @property
    def values(self) -> NDArray[np.float64]:
        """Measured value of each candidate; NaN where the measurement failed."""
        return np.array([one.value if one.flag == "ok" else np.nan for one in self.found])

    def score(self, method: str, size: int, believed: Prediction) -> Score:
        """Return the scores of a prediction from the first ``size`` points."""
        task, unit, measured = self.task, self.task.regret_unit, self.order[:size]
        mean, std = believed.mean / unit, believed.std / unit
        truth = prediction_scores(task.truth / unit, mean, std, measured)
        seen = prediction_scores(self.values / unit, mean, std, measured, noise=believed.noise / unit)
        scores = (truth.rmse, seen.nlpd, seen.coverage90, truth.coverage90)
        return Score(task.name, task.seed, method, size, *scores, believed.cpu_s)


def compare(field: Field) -> Iterator[tuple[list[Score], tuple[str, ...]]]:
    """Yield the scores of one method after the other on one film, and the versions of what was used."""
    film = Film.of(*field)
    for kind in OURS:
        yield [film.score(kind, size, by_agent(kind, film, size)) for size in SIZES], ()
    question = Question(film.task.problem, film.order, film.values[film.order], SIZES, film.task.seed)
    for peer in ASKED:
        answer = ask(peer, question)
        parts = zip(SIZES, answer.predictions, strict=True)
        yield [film.score(peer, size, believed) for size, believed in parts], answer.versions
    yield [film.score(MEAN, size, by_mean(film, size)) for size in SIZES], ()


def by_agent(kind: str, film: Film, size: int) -> Prediction:
    """Return what an agent with its declared specification believes, told values and their sigma.

    A measurement is taken to add as much noise as those that it was told, by their root mean square.
    """
    problem = film.task.problem
    began = process_time()
    agent = make_agent(benchmark_spec(kind, "optimum", film.task.seed), problem)
    agent.ingest([_outcome(film, candidate) for candidate in film.order[:size]])
    belief = agent.posterior()
    return Prediction(belief["mean"], belief["std"], _stated_noise(film, size), process_time() - began)


def by_mean(film: Film, size: int) -> Prediction:
    """Return the mean of the outcomes and their spread, everywhere."""
    value, noise = film.values[film.order[:size]], _stated_noise(film, size)
    everywhere = np.ones(len(film.task.problem))
    std = np.sqrt(max(value.var(ddof=1) - noise**2, 0.0))
    return Prediction(value.mean() * everywhere, std * everywhere, noise, 0.0)


def _outcome(film: Film, candidate: int) -> dict[str, float]:
    problem, found = film.task.problem, film.found[candidate]
    place = dict(zip(problem.dofs, problem.points[candidate].tolist(), strict=True))
    return {**place, problem.objective: found.value, f"{problem.objective}_sigma": found.sigma}


def _stated_noise(film: Film, size: int) -> float:
    return float(np.sqrt(np.mean([film.found[c].sigma ** 2 for c in film.order[:size]])))
