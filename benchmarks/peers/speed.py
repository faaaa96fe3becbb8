"""What the next decision costs everybody after the same outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks import agent_speed

from .jobs import Question, ask

MEASURED = 200
CHANNELS = 1
# Whose next decision is compared with whose, on the page.
COUNTERPARTS = {
    "AtomAI": "dkl",
    "gpax, as documented": "dkl",
    "gpax, defaults": "dkl",
    "BoTorch, coordinates": "gp",
    "BoTorch, our features": "patch_gp",
}
KEPT = {"BoTorch, our features": "BoTorch, our features, kept"}  # that can go on without a fit


@dataclass(frozen=True)
class Cost:
    """CPU-seconds of one decision, and memory.

    Attributes
    ----------
    method : str
        Who decides.
    cold : float
        The first decision after the outcomes, from nothing: features, compilation, fit, prediction, acquisition.
    fitted : float
        The next one, with a fit of the hyper-parameters.
    kept : float or None
        The next one without a fit; None where the method always fits.
    warm : float
        The next one on average over a run.
    peak_mb : float
        Largest memory of its process (MB).
    """

    method: str
    cold: float
    fitted: float
    kept: float | None
    warm: float
    peak_mb: float


def costs() -> Iterator[tuple[Cost, tuple[str, ...]]]:
    """Yield what each costs, and the versions of what was used."""
    with agent_speed.one_by_one() as pool:
        for kind in dict.fromkeys(COUNTERPARTS.values()):
            cold = pool.submit(agent_speed.cold, kind, "optimum", CHANNELS, MEASURED).result()
            cost = pool.submit(agent_speed.measure, kind, "optimum", CHANNELS, MEASURED).result()
            yield Cost(kind, cold, cost["worst"], cost["usual"], cost["mean"], cost["MB"]), ()
    problem, truth = agent_speed.field(CHANNELS)
    order = np.random.default_rng(0).permutation(len(problem))[: MEASURED + 1]
    question = Question(problem, order, truth[order], (MEASURED, MEASURED + 1), 0)
    for peer in COUNTERPARTS:
        answer = ask(peer, question)
        cold, warm = (believed.cpu_s for believed in answer.predictions)
        kept = ask(KEPT[peer], question).predictions[1].cpu_s if peer in KEPT else None
        yield Cost(peer, cold, warm, kept, warm, answer.peak_mb), answer.versions
