"""What an exploration has room for, known before anything moves."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..agents.problem import build_problem
from ..core.errors import LimitError
from .gate import most_points
from .settings import ExploreSettings
from .stubs import Plan
from .worker import await_future, beside


def check_room(settings: ExploreSettings) -> Plan:
    """Plan stub: raise when more points are asked for than the geometry has room for.

    Raises
    ------
    RefusedError
        Also when ROI and exclusion zones leave no candidate.
    """
    survey, spec = settings.survey, settings.candidates
    step = survey.size_nm / survey.pixels
    axis = (np.arange(survey.pixels, dtype=np.float64) - (survey.pixels - 1) / 2) * step
    x, y = np.meshgrid(axis + survey.center_x_nm, axis + survey.center_y_nm)
    blank = np.zeros((0, survey.pixels, survey.pixels))
    geometry = spec.model_copy(update={"channels": ()})
    derived = beside(partial(build_problem, objective=settings.objective), blank, [], x, y, geometry)
    yield from await_future(derived)
    problem = derived.result()
    room = most_points(problem)
    if settings.points > room:
        raise LimitError(
            "points",
            settings.points,
            f"the {room} points that {len(problem)} candidates of this survey have room for",
            remedy="ask for fewer points, or for a finer or larger survey",
        )
