"""What the agent believed at the end: mean, standard deviation and acquisition over all candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...agents.problem import Problem
from ...core.errors import DataError, ProbelineError
from ..replaying import problem_of
from .axes import MAP_SIZE, draw_map, draw_points, map_axes
from .facts import Facts, Survey
from .numbers import labelled
from .pictures import Picture, Section, png, styled

_TITLE = "What the agent believed"
_COLOURS = {"mean": "viridis", "std": "cividis", "acquisition": "magma"}


def maps_section(facts: Facts) -> Section:
    """Return the part of the page with the maps of the last ``posterior`` event."""
    maps = _last_maps(facts)
    if isinstance(maps, str):
        return Section(_TITLE, [maps])
    drawn = {name: values for name, values in maps.items() if np.isfinite(values).any()}
    if not drawn:
        return Section(_TITLE, [f"The agent {facts.about['agent']['kind']} has no model: there is nothing to map."])
    survey = facts.survey
    if isinstance(survey, str):
        return Section(_TITLE, [survey])
    try:
        problem = problem_of(facts.run)
    except ProbelineError as error:
        return Section(_TITLE, [f"The candidates cannot be derived from the survey: {error}."])
    if len(problem) != len(maps["mean"]):
        return Section(
            _TITLE,
            [f"The maps hold {len(maps['mean'])} candidates, the survey gives {len(problem)}: they are not shown."],
        )
    text = [
        f"After {facts.run.last('posterior', 'decision')} decisions, over {len(problem)} candidates. The standard "
        "deviation is that of the objective itself, without measurement noise. The larger the acquisition, the sooner "
        "a candidate would be measured next; grey is not admissible or no candidate."
    ]
    pictures = [_picture(facts, survey, problem, name, values) for name, values in drawn.items()]
    return Section(_TITLE, text, pictures)


def _last_maps(facts: Facts) -> dict[str, NDArray[np.float64]] | str:
    """Return the maps of the last event by name, or the reason why there are none to show."""
    if not facts.has("posterior"):
        return "The run ended before the agent's maps were recorded."
    try:
        return {name: np.asarray(facts.run.last("posterior", name), float) for name in _COLOURS}
    except DataError as error:
        return f"The maps cannot be shown: {error}."


def rastered(problem: Problem, survey: Survey, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return ``x, y, values`` of the candidates on the coarsest grid of pixels that holds them all.

    Parameters
    ----------
    problem : Problem
        Its candidates.
    survey : Survey
        Gives the coordinates of pixels that are no candidates.
    values : ndarray, shape (candidate,)

    Returns
    -------
    x, y, values : ndarray, each of shape (row, column)
        nm, nm, and NaN where there is no candidate.
    """
    rows, columns = (np.unique(problem.pixel[:, axis]) for axis in (0, 1))
    rows, columns = _regular(rows), _regular(columns)
    grid = np.full((len(rows), len(columns)), np.nan)
    grid[np.searchsorted(rows, problem.pixel[:, 0]), np.searchsorted(columns, problem.pixel[:, 1])] = values
    place = np.ix_(rows, columns)
    return survey.x[place], survey.y[place], grid


def _regular(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``index`` with the gaps filled that regions of interest leave, at its smallest step."""
    if len(index) < 2:
        return index
    return np.arange(index[0], index[-1] + 1, int(np.gcd.reduce(np.diff(index))))


def _picture(facts: Facts, survey: Survey, problem: Problem, name: str, values: NDArray[np.float64]) -> Picture:
    x, y, grid = rastered(problem, survey, values)
    kind = facts.about["agent"].get("acquisition")
    label = {
        "mean": labelled(f"mean of {facts.objective}", facts.unit),
        "std": labelled("standard deviation", facts.unit),
        "acquisition": f"acquisition, {kind}" if kind else "acquisition",
    }[name]
    with styled(*MAP_SIZE, fixed=True) as figure:
        ax = map_axes(figure)
        draw_map(ax, (x, y), grid, label, colours=_COLOURS[name], avoid=facts.measured)
        half = float(np.hypot(survey.x[0, 1] - survey.x[0, 0], survey.y[0, 1] - survey.y[0, 0])) / 2
        ax.set(xlim=_span(survey.x, half), ylim=_span(survey.y, half))
        draw_points(ax, facts, ordered=False)
        ax.set_title(label.split(" (")[0])
        return Picture(png(figure), "png", f"Map over the candidates: {label}")


def _span(values: NDArray[np.float64], margin: float) -> tuple[float, float]:
    return float(values.min()) - margin, float(values.max()) + margin
