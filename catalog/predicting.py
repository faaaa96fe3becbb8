"""Whole spectra where none was measured, predicted from those of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..agents.spec import make_agent, spec_for
from ..core.errors import DataError, LimitError, SpecError
from .arrays import spectra
from .player import rows_of
from .reading import as_run
from .replaying import problem_of

if TYPE_CHECKING:
    import xarray as xr

    from ..agents.gaussian.agents import SurrogateAgent
    from ..agents.problem import Problem

FOLDS = 5  # of the cross-validation
LARGEST = 2**27  # numbers in one answer: 1 GB


def predict_spectra(run: Any, agent: str = "dkl", *, candidates: Any = None, **options: Any) -> xr.Dataset:
    """Return the spectra that a run's measurements let expect at every candidate.

    Parameters
    ----------
    run : Run or BlueskyRun
        A run of :func:`~probeline.plans.explore`, finished or not. Of a resumed run only what it measured itself
        counts: ``attrs["inherited"]`` says how many outcomes it took over.
    agent : {"dkl", "patch_gp", "gp"}
        What to predict with: a Gaussian process on the image after a small net, on the image, on the place alone.
    candidates : array_like of int, optional
        Predict these only.
    **options
        Options of the agent, and its ``seed``.

    Returns
    -------
    xarray.Dataset
        ``mean`` and ``std`` (of a spectrum to be measured, noise included), shape (candidate, channel, *axes), in
        the unit of the spectra; NaN where most spectra have no value. Coordinates ``x``, ``y`` (nm, sample), ``row``
        and ``column`` (pixel of the survey) along ``candidate``, and the axes of the spectra.
        ``attrs["skill"]``: the share of the mean squared deviation from the mean spectrum that predictions
        explain, in five-fold cross-validation over the measured points; 0 or less means that the mean spectrum is
        as good. Spectra whose outcome failed teach nothing.

    Raises
    ------
    DataError
        When fewer than ten spectra were measured in this run.
    SpecError
        When the agent is of another kind.
    LimitError
        When the answer would be larger than 1 GB, or a candidate is none of the problem's.
    """
    from ..agents.gaussian.agents import SurrogateAgent

    run = as_run(run)
    measured, problem = spectra(run), problem_of(run)
    model = make_agent(spec_for(agent, "map", options), problem)
    if not isinstance(model, SurrogateAgent):
        raise SpecError(f"agent = {agent!r} was refused: it predicts no spectra; use 'dkl', 'patch_gp' or 'gp'")
    (name,) = measured.data_vars
    decisions = rows_of(run, "optimization")
    at = {row["decision"]: problem.nearest(row["x"], row["y"]) for row in decisions}
    inherited = sum(bool(row["inherited"]) for row in decisions)
    good = {row["decision"] for row in rows_of(run, "outcome") if row["status"] == "ok"}
    used = [decision in good for decision in measured["decision"].values.tolist()]
    measured = measured.isel(point=np.flatnonzero(used))
    index = np.array([at[decision] for decision in measured["decision"].values.tolist()], np.int64)
    values = measured[name].values.reshape(len(index), math.prod(measured[name].shape[1:]))
    whole, kept = _complete(values)
    if len(whole) < 2 * FOLDS:
        beside = f" beside {inherited} decisions of the run that it resumed" if inherited else ""
        raise DataError(
            f"run {run.uid[:8]} holds {len(whole)} complete spectra{beside}; {2 * FOLDS} is the least to learn from"
        )
    chosen = _chosen(candidates, len(problem))
    _check_size(len(chosen), values.shape[1])
    index, values = index[whole], values[whole]
    belief = model.spectra(index, values[:, kept])
    found = np.full((2, len(chosen), values.shape[1]), np.nan)
    found[0][:, kept], found[1][:, kept] = belief.mean(chosen), belief.std(chosen)
    skill = _skill(model, index, values[:, kept])
    about = {"agent": agent, "skill": skill, "measured": len(index), "inherited": inherited}
    return _labelled(measured, problem, chosen, found, about)


def _complete(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which spectra have most values, and which values all of those have."""
    finite = np.isfinite(values)
    kept = finite.sum(axis=0) > len(values) / 2
    whole = np.flatnonzero(finite[:, kept].all(axis=1) & kept.any())
    return whole, kept


def _chosen(candidates: Any, count: int) -> NDArray[np.int64]:
    """Return the candidates that were asked for, checked."""
    if candidates is None:
        return np.arange(count)
    chosen = np.atleast_1d(np.asarray(candidates))
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
        raise SpecError(f"candidates of type {chosen.dtype} were refused: give numbers; of a mask, its np.flatnonzero")
    outside = chosen[(chosen < 0) | (chosen >= count)]
    if len(outside):
        raise LimitError("candidate", int(outside[0]), f"0 to {count - 1}", remedy="name candidates of this run")
    return chosen.astype(np.int64)


def _check_size(candidates: int, values: int) -> None:
    if 2 * candidates * values > LARGEST:
        raise LimitError(
            "candidates", candidates, f"{LARGEST // (2 * values)} for spectra of {values} values: 1 GB", "",
            "name some with candidates=[...], and ask in parts",
        )  # fmt: skip


def _skill(model: SurrogateAgent, index: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """Return 1 - (squared error of predictions) / (that of the mean spectrum) at points left out."""
    error = spread = 0.0
    for fold in range(FOLDS):
        out = np.arange(len(index)) % FOLDS == fold
        predicted = model.spectra(index[~out], values[~out]).mean(index[out])
        error += float(np.sum((values[out] - predicted) ** 2))
        spread += float(np.sum((values[out] - values[~out].mean(axis=0)) ** 2))
    return 1 - error / spread if spread else 0.0


def _labelled(
    measured: xr.Dataset, problem: Problem, chosen: NDArray[np.int64], found: NDArray[np.float64], about: dict[str, Any]
) -> xr.Dataset:
    """Return predictions with the axes of what was measured."""
    import xarray as xr

    (name,) = measured.data_vars
    source = measured[name]
    shape, dims = source.shape[1:], ("candidate", *source.dims[1:])
    unit = {key: value for key, value in source.attrs.items() if key == "units"}
    axes = {axis: measured.coords[axis] for axis in source.dims[1:] if axis in measured.coords}
    return xr.Dataset(
        {
            kind: (dims, part.reshape(len(chosen), *shape), unit)
            for kind, part in zip(("mean", "std"), found, strict=True)
        },
        coords={
            **axes,
            "candidate": chosen,
            "x": ("candidate", problem.points[chosen, 0], {"units": "nm"}),
            "y": ("candidate", problem.points[chosen, 1], {"units": "nm"}),
            "row": ("candidate", problem.pixel[chosen, 0]),
            "column": ("candidate", problem.pixel[chosen, 1]),
        },
        attrs={"run": measured.attrs["run"], "kind": str(name), **about},
    )
