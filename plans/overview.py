"""What an exploration works on: the survey, the candidates in it, and where they are by now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import bluesky.plan_stubs as bps

from ..agents.problem import Problem, build_problem
from ..catalog.run import Run
from ..catalog.surveying import SurveyImage, admissible_pixels, survey_image
from .gate import Gate
from .placing import Placement
from .prior import Prior
from .recorded import announce
from .resurvey import find_again
from .settings import ExploreSettings
from .stubs import Plan, prepare, set_phase_reference, take_frame
from .tap import RunTap
from .tracking import Tracker
from .worker import await_agent, beside


@dataclass(frozen=True)
class Scene:
    """The candidates, what of them may be measured, how the sample drifts and where the scanner has to go for each."""

    problem: Problem
    gate: Gate
    tracker: Tracker
    placement: Placement


def read_image(tap: RunTap, stream: str) -> SurveyImage:
    """Return the last frame of a stream of the open run, as read from the announced file."""
    return survey_image(Run.from_documents(tap.documents), stream)


class Overview:
    """Takes the survey, or takes it over, and derives everything else from it.

    Parameters
    ----------
    instrument : SPM or STEM
        Staged when :meth:`look` starts.
    settings : ExploreSettings
        What to do.
    tap : RunTap
        Follows the run.
    prior : Prior, optional
        What is taken over from an earlier run.
    """

    def __init__(self, instrument: Any, settings: ExploreSettings, tap: RunTap, prior: Prior | None = None):
        self._instrument, self._settings, self._tap = instrument, settings, tap
        self._prior = prior if prior is not None and prior.surveyed else None

    def look(self) -> Plan:
        """Plan stub: return the :class:`Scene`; what was measured before is blocked in it, and its drift known."""
        prior, stream, motion = self._prior, "survey", None
        if prior is None:
            frame = survey = yield from self._image(stream)
        else:
            yield from announce(prior.run, "survey")
            yield from bps.checkpoint()
            frame = survey = read_image(self._tap, "survey")
            stream = "reference"
            if not prior.exact:
                stream = "resurvey"
                frame = yield from self._image(stream)
                motion = yield from find_again(survey, frame, self._settings.survey)
        yield from set_phase_reference(self._instrument, survey)
        problem: Problem = yield from self._problem(survey)
        gate = Gate(problem, self._instrument.spec.envelope)
        tracker = Tracker(self._instrument, frame, self._settings.register_every, stream)
        if prior is not None:
            if prior.exact:
                tracker.recall(prior)
            for row in prior.measured:
                gate.take(problem.nearest(row["x"], row["y"]))
        return Scene(problem, gate, tracker, Placement(problem, tracker, frame, motion))

    def _image(self, stream: str) -> Plan:
        """Take the overview frame and return it as read from the announced file."""
        frame = self._settings.survey
        yield from prepare(self._instrument)
        yield from take_frame(
            self._instrument,
            center_nm=(frame.center_x_nm, frame.center_y_nm),
            size_nm=frame.size_nm,
            pixels=frame.pixels,
            angle_deg=frame.angle_deg,
        )
        yield from bps.create(name=stream)
        for device in (self._instrument.scan, self._instrument.clock, self._instrument.state):
            yield from bps.read(device)
        yield from bps.save()
        yield from bps.checkpoint()  # decisions follow from this frame: a rewind must not take another one
        return read_image(self._tap, stream)

    def _problem(self, survey: SurveyImage) -> Plan:
        """Derive the candidates."""
        build = partial(
            build_problem,
            objective=self._settings.objective,
            admissible=admissible_pixels(survey.x, survey.y, self._instrument.spec.envelope),
        )
        derived = beside(build, survey.images, survey.channels, survey.x, survey.y, self._settings.candidates)
        yield from await_agent(self._instrument, derived)
        return derived.result()
