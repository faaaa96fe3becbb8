"""The picture of why one point was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from matplotlib.patches import Rectangle

from ...agents.problem import Problem
from ...core.errors import DataError
from ..run import Run
from .axes import MAP_SIZE, draw_map, map_axes
from .facts import Facts, Survey
from .maps import rastered
from .numbers import labelled
from .pictures import RED, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..why import Moment

_MARGIN = 3  # patches around the point that the left panel shows


def reason_picture(run: Run, problem: Problem, moment: Moment) -> bytes:
    """Return a PNG file: the survey around the point with its patch, and the acquisition before the decision.

    Parameters
    ----------
    run : Run
        An exploration.
    problem : Problem
        What its agent worked on.
    moment : Moment
        What was known when the point was chosen.

    Raises
    ------
    DataError
        When the survey cannot be read.
    """
    facts = Facts(run)
    survey = facts.survey
    if isinstance(survey, str):
        raise DataError(f"run {run.uid}: {survey}")
    with styled(2 * MAP_SIZE[0], MAP_SIZE[1], fixed=True) as figure:
        left, right = cast(Any, figure.subfigures(1, 2))
        _draw_patch(map_axes(left), facts, survey, problem, moment)
        _draw_acquisition(map_axes(right), facts, survey, problem, moment)
        return png(figure)


def _draw_patch(ax: Axes, facts: Facts, survey: Survey, problem: Problem, moment: Moment) -> None:
    step = float(np.hypot(survey.x[0, 1] - survey.x[0, 0], survey.y[0, 1] - survey.y[0, 0]))
    edge = facts.about["candidates"]["patch_pixels"] * step
    x, y = problem.points[moment.candidate]
    draw_map(ax, (survey.x, survey.y), survey.images[0], labelled(survey.channels[0], survey.units[0]))
    angle = facts.about["survey"]["angle_deg"]
    square = Rectangle(
        (x - edge / 2, y - edge / 2), edge, edge, angle=angle, rotation_point="center", fill=False, edgecolor=RED
    )
    ax.add_patch(square)
    reach = max(_MARGIN * edge, 8 * step)
    ax.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))
    _draw_known(ax, problem, moment)
    ax.set_title(f"Decision {moment.row['decision']}: {survey.channels[0].replace('_', ' ')}, its patch")


def _draw_acquisition(ax: Axes, facts: Facts, survey: Survey, problem: Problem, moment: Moment) -> None:
    values: Any = moment.acquisition
    kind = facts.about["agent"].get("acquisition")
    label = f"acquisition, {kind}" if kind else "acquisition"
    x, y, grid = rastered(problem, survey, values)
    if np.isfinite(values).any():
        draw_map(ax, (x, y), grid, label, colours="magma")
        ax.set_title(f"{label}, before the decision")
    else:
        draw_map(ax, (survey.x, survey.y), survey.images[0], labelled(survey.channels[0], survey.units[0]))
        ax.set_title("No model yet: the survey")
    _draw_known(ax, problem, moment)


def _draw_known(ax: Axes, problem: Problem, moment: Moment) -> None:
    known = problem.points[[place for place, _ in moment.known]].reshape(-1, 2)
    ax.scatter(*known.T, s=16, c="white", edgecolors="black", linewidths=0.9, label="known then", zorder=3)
    ax.scatter(
        *problem.points[moment.candidate], s=90, marker="*", c="#ffd60a", edgecolors="black", linewidths=0.9,
        label="chosen", zorder=6,
    )  # fmt: skip
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, labelcolor="black")
