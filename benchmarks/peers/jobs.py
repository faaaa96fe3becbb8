"""One problem as a file, and the answer of a peer's own Python to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from probeline.agents.gaussian.features import build_features
from probeline.agents.problem import Problem
from probeline.core.errors import RefusedError

Array = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent.parent / ".venv-peers"
COMPONENTS = 24  # as patch_gp has it
# Name on the page -> environment, and what its Python runs.
PEERS = {
    "AtomAI": ("atomai", "peer_atomai:dkl"),
    "gpax, as documented": ("gpax", "peer_gpax:documented"),
    "gpax, defaults": ("gpax", "peer_gpax:defaults"),
    "BoTorch, coordinates": ("botorch", "peer_botorch:coordinates"),
    "BoTorch, our features": ("botorch", "peer_botorch:features"),
    "BoTorch, our features, kept": ("botorch", "peer_botorch:features_kept"),
}


@dataclass(frozen=True)
class Question:
    """What everybody is asked.

    Attributes
    ----------
    problem : Problem
        Candidates.
    order : ndarray of int, shape (outcome,)
        Those that were measured, in this order.
    values : ndarray, shape (outcome,)
        What was found there.
    sizes : sequence of int
        After how many outcomes a prediction is wanted.
    seed : int
        Of whatever is drawn.
    """

    problem: Problem
    order: NDArray[np.int64]
    values: Array
    sizes: Sequence[int]
    seed: int


@dataclass(frozen=True)
class Prediction:
    """What is believed after some outcomes.

    Attributes
    ----------
    mean, std : ndarray, shape (candidate,)
        Of the objective itself, in its unit.
    noise : float
        Standard deviation of what a measurement adds to it.
    cpu_s : float
        CPU-seconds of fit, prediction of every candidate and acquisition.
    """

    mean: Array
    std: Array
    noise: float
    cpu_s: float


@dataclass(frozen=True)
class Answer:
    """What a peer says.

    Attributes
    ----------
    predictions : tuple of Prediction
        One per size.
    peak_mb : float
        Largest memory of the process (MB).
    versions : tuple of str
        Packages that decide the result.
    """

    predictions: tuple[Prediction, ...]
    peak_mb: float
    versions: tuple[str, ...]


def ask(peer: str, question: Question) -> Answer:
    """Return what a peer answers, from a process of its own with one thread.

    Raises
    ------
    RefusedError
        When its environment is missing, or its process fails.
    """
    environment, entry = PEERS[peer]
    python = ENVIRONMENTS / environment / "bin" / "python"
    if not python.exists():
        raise RefusedError(f"{peer} has no environment {environment!r}; make it with `make bench-peers`")
    with TemporaryDirectory() as folder:
        job, result = Path(folder) / "job.npz", Path(folder) / "answer.npz"
        _write(job, question)
        command = [python, HERE / "worker.py", entry, job, result]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=one_thread, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RefusedError(f"{peer} failed with status {done.returncode}:\n{done.stderr[-2000:]}")
        with np.load(result) as found:
            parts = zip(found["mean"], found["std"], found["noise"].tolist(), found["cpu_s"].tolist(), strict=True)
            predictions = tuple(Prediction(*part) for part in parts)
            return Answer(predictions, float(found["peak_mb"]), tuple(found["versions"].tolist()))


def _write(path: Path, question: Question) -> None:
    """Write what the worker reads."""
    problem = question.problem
    features = build_features(problem, COMPONENTS)
    np.savez(
        path,
        patches=problem.patches.astype(np.float32),
        coordinates=problem.coordinates,
        features=features.table,
        patch_columns=features.patch_columns,
        order=question.order,
        values=question.values,
        sizes=np.asarray(question.sizes),
        seed=question.seed,
    )
