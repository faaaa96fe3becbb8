"""One ask of ``gp`` on a large map, beside BoTorch and scikit-learn. Run: ``python -m benchmarks.large_gp``.

2,000 noisy outcomes at random among 65,536 candidates in a plane; hyper-parameters are those that ``gp``
finds, given to the peers, which predict mean and standard deviation at every candidate and score them by
expected improvement. An ask of ``gp`` takes one outcome in and scores every candidate: its mean over all
decisions from one fit to the next. ``RMSE`` and ``coverage`` (of 90 % intervals) are of the candidates
that were not measured, against the truth without noise. CPU-seconds, one thread.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from benchmarks.agent_speed import one_by_one, peak_mb
from probeline.agents.acquisition import log_ei
from probeline.agents.gaussian.agents import fit_counts
from probeline.agents.problem import Problem, grid_problem
from probeline.agents.spec import make_agent, spec_for

EDGE = 256
NOISE = 0.05


def surface(measured: int, seed: int) -> tuple[Problem, np.ndarray, np.ndarray, np.ndarray]:
    """Return a problem, the truth over it, the candidates measured and their outcomes."""
    axis = np.linspace(0, 1, EDGE)
    problem = grid_problem({"x": axis, "y": axis}, {"x": "nm", "y": "nm"}, objective="value")
    x, y = problem.points.T
    truth = np.sin(12 * x) * np.cos(9 * y) + 0.5 * np.sin(40 * x * y) + 0.3 * np.cos(25 * y)
    rng = np.random.default_rng(seed)
    index = rng.permutation(len(problem))[:measured]
    return problem, truth, index, truth[index] + NOISE * rng.normal(size=measured)


def ours(measured: int, asks: int | None, seed: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Return what an ask of ``gp`` costs and how good it predicts, and the hyper-parameters that it found."""
    due, after = [count for count in fit_counts(2 * measured) if count >= measured][:2]
    problem, truth, index, value = surface(due, seed)
    agent = make_agent(spec_for("gp", "optimum", {"seed_points": 1}), problem)
    places = [dict(zip(problem.dofs, point, strict=True)) for point in problem.points[index].tolist()]
    agent.ingest([{**place, "value": outcome} for place, outcome in zip(places, value.tolist(), strict=True)])
    began = time.process_time()
    posterior = agent.posterior()
    fit = time.process_time() - began
    rng, spent = np.random.default_rng(seed + 1), []
    for _ in range(asks or after - due - 1):
        began = time.process_time()
        (point,) = agent.suggest(1)
        spent.append(time.process_time() - began)
        candidate = agent.explain(point)["candidate"]
        agent.ingest([{"_id": point["_id"], "value": float(truth[candidate] + NOISE * rng.normal())}])
    found = agent._fit  # pyright: ignore[reportAttributeAccessIssue]
    hyper = {"scale": float(found.hyper.scales[0]), "noise": found.hyper.noise}
    score = _score(truth, index, posterior["mean"], posterior["std"])
    return {"fit": fit, "ask": float(np.mean(spent[1:])), "MB": peak_mb(), **score}, hyper


def botorch(hyper: dict[str, Any], measured: int, seed: int) -> dict[str, float]:
    """Return the same of BoTorch."""
    from botorch.models import SingleTaskGP
    from botorch.settings import validate_input_scaling
    from gpytorch.kernels import MaternKernel
    from gpytorch.settings import fast_pred_var

    problem, truth, index, value = surface(measured, seed)
    table, chosen = torch.as_tensor(problem.coordinates), torch.as_tensor(index)
    began = time.process_time()
    with validate_input_scaling(False):
        target = torch.as_tensor((value - value.mean()) / value.std())[:, None]
        kernel = MaternKernel(nu=2.5)
        model = SingleTaskGP(table[chosen], target, covar_module=kernel, outcome_transform=None)
    kernel.lengthscale, model.likelihood.noise = hyper["scale"], hyper["noise"]
    model.eval()
    with torch.no_grad(), fast_pred_var():
        beliefs = [model(block) for block in table.split(4096)]
        mean, std = torch.cat([b.mean for b in beliefs]), torch.cat([b.variance for b in beliefs]).sqrt()
        mean, std = mean.numpy() * value.std() + value.mean(), std.numpy() * value.std()
        np.argmax(log_ei(mean, std, float(mean[index].max())))
    return {"ask": time.process_time() - began, "MB": peak_mb(), **_score(truth, index, mean, std)}


def scikit_learn(hyper: dict[str, Any], measured: int, seed: int) -> dict[str, float]:
    """Return the same of scikit-learn."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern

    problem, truth, index, value = surface(measured, seed)
    began = time.process_time()
    model = GaussianProcessRegressor(Matern(hyper["scale"], nu=2.5), alpha=hyper["noise"], optimizer=None)
    model.fit(problem.coordinates[index], (value - value.mean()) / value.std())
    parts = [model.predict(block, return_std=True) for block in np.array_split(problem.coordinates, 16)]
    mean, std = (np.concatenate(column) * value.std() for column in zip(*parts, strict=True))
    mean += value.mean()
    np.argmax(log_ei(mean, std, float(mean[index].max())))
    return {"ask": time.process_time() - began, "MB": peak_mb(), **_score(truth, index, mean, std)}


def _score(truth: np.ndarray, index: np.ndarray, mean: np.ndarray, std: np.ndarray) -> dict[str, float]:
    left = np.setdiff1d(np.arange(len(truth)), index)
    error = (mean - truth)[left]
    covered = np.abs(error) <= norm.ppf(0.95) * std[left]
    return {"RMSE": float(np.sqrt(np.mean(error**2))), "coverage": float(covered.mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=int, default=2000)
    parser.add_argument("--asks", type=int, help="Decisions to time; all from one fit to the next unless given.")
    given = parser.parse_args()
    names = ("fit", "ask", "ratio", "RMSE", "coverage", "MB")
    table = Table("", *names, title=f"{given.measured} outcomes, {EDGE**2} candidates, CPU s")
    with one_by_one() as pool:
        found, hyper = pool.submit(ours, given.measured, given.asks, 0).result()
        rows = {"gp": found}
        for name, peer in (("BoTorch", botorch), ("scikit-learn", scikit_learn)):
            rows[name] = pool.submit(peer, hyper, given.measured, 0).result()
    for name, row in rows.items():
        row["ratio"] = row["ask"] / found["ask"]
        table.add_row(name, *(f"{row[column]:.3g}" if column in row else "-" for column in names))
    Console().print(table)


if __name__ == "__main__":
    main()
