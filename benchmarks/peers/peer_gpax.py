"""Deep kernel learning by gpax, once as its documentation shows it and once with the defaults of ``fit``."""

from __future__ import annotations

import os

import numpy as np
from worker import Candidates, Method, from_zero_to_one

# One thread, as for everybody; read when JAX is imported.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
PACKAGES = ("gpax", "jax", "numpyro")


def documented(candidates: Candidates) -> Method:
    """Return ``viDKL`` trained by 100 Adam steps of 0.05."""
    return _vidkl(candidates, {"num_steps": 100, "step_size": 0.05})


def defaults(candidates: Candidates) -> Method:
    """Return ``viDKL`` trained by 1000 Adam steps of 0.005."""
    return _vidkl(candidates, {})


def _vidkl(candidates: Candidates, training: dict[str, float]) -> Method:
    """Return a fresh model at every decision: two latent dimensions, squared exponential kernel."""
    import gpax
    import jax

    pixels = candidates.pixels
    fitting, predicting = jax.random.split(jax.random.PRNGKey(candidates.seed))

    def decide(index: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        model = gpax.viDKL(input_dim=pixels.shape[1], z_dim=2, kernel="RBF")
        model.fit(
            fitting, pixels[index], target.astype(np.float32), print_summary=False, progress_bar=False, **training
        )
        mean, variance = model.predict(predicting, pixels, noiseless=True)
        return np.asarray(mean), np.asarray(variance), float(model.kernel_params["noise"])

    return from_zero_to_one(decide)
