"""The iteration of an exploration, one step per method."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np
from bluesky.utils import FailedStatus

from ..agents.ledger import TIME
from ..agents.problem import Problem, build_problem
from ..analysis.measurement import Scalar
from ..catalog.measurements import measurement_from
from ..catalog.player import rebuilt
from ..catalog.run import Run
from ..catalog.surveying import SurveyImage, admissible_pixels, survey_image
from ..core.errors import NotMeasured, RefusedError
from .auditing import Audits
from .budget import check_room
from .gate import Admitted, Gate, Refused
from .measure import measure_at
from .placing import Placement
from .posterior import PosteriorRecord
from .prior import Prior, caught_up
from .recorded import announce
from .records import decision_record, emit, outcome_record, progress_record, target_record
from .resurvey import find_again
from .settings import ExploreSettings
from .stopping import Stopping, out_of_time, time_left
from .stubs import Plan, park, prepare, set_phase_reference, take_frame
from .tap import RunTap
from .tracking import Tracker
from .worker import AgentWorker, await_future

# Refusals in a row after which the run ends: an agent that cannot be followed is broken.
MAX_REFUSALS = 5
# Maps of the posterior are recorded after every so many measurements, and at the end.
POSTERIOR_EVERY = 10


class ClosedLoop:
    """One exploration: its state between two messages.

    Parameters
    ----------
    instrument : SPM or STEM
        Staged when :meth:`run` starts.
    settings : ExploreSettings
        What to do.
    scalarizer : Scalarizer
        Makes a number of a measurement.
    options : dict
        Its options.
    unit : str
        Unit of the objective.
    factory : callable
        ``factory(problem) -> Agent``.
    tap : RunTap
        Subscribed to the RunEngine for this run.
    prior : Prior, optional
        What is taken over from an earlier run.
    """

    def __init__(
        self,
        instrument: Any,
        settings: ExploreSettings,
        scalarizer: Any,
        options: dict[str, Any],
        unit: str,
        factory: Callable[[Problem], Any],
        tap: RunTap,
        prior: Prior | None = None,
    ):
        self._instrument, self._settings = instrument, settings
        self._scalarizer, self._options = scalarizer, options
        self._factory, self._tap, self._prior = factory, tap, prior
        self._parts = contextlib.ExitStack()
        self._decisions, self._outcomes = decision_record(unit), outcome_record(unit)
        self._progress = progress_record(unit)
        self._audits = Audits(settings.agent.on_miscalibrated, prior)
        self._stopping = Stopping(settings)
        self._target, self._unit = target_record(instrument.spec.kind), unit
        self._best = math.nan
        self._done = self._decision = self._refusals = 0
        self._started = self._clock = self._last_cost = 0.0
        if prior is not None:
            self._best, self._last_cost = prior.best, prior.last_cost
            self._done, self._decision, self._refusals = prior.done, len(prior.decisions), prior.refusals
        self._asked: tuple[int, Future] | None = None  # maps that were asked for, after how many decisions
        self._open = False  # whether a decision was taken and the next one not yet
        self.reason = ""

    def check_budget(self) -> None:
        """Raise when more points are asked for than the geometry has room for or the envelope's budgets allow.

        Raises
        ------
        RefusedError
            Before anything moves; also when ROI and exclusion zones leave no candidate.
        """
        check_room(self._settings)
        spectrometer = self._instrument.spectrometer
        cost = self._instrument.link.driver.check_cost
        cost(spectrometer.measures, spectrometer.settings(), max(self._settings.points - self._done, 0))

    def close(self) -> Plan:
        """End the agent's thread and close the file of its maps."""
        self._parts.close()
        yield from bps.null()

    def abandon(self, reason: str) -> Plan:
        """Record that the last decision, if it still waits for its outcome, will have none."""
        # What was recorded counts: an abort may come while an outcome is written.
        settled = self._tap.last("outcome", "decision") == self._decision
        if self._open and not settled:  # the instrument is not asked: it may be what failed
            yield from self._record_outcome("abandoned", reason, self._nothing("abandoned"), 0.0, self._clock)

    def begin(self) -> Plan:
        """Return the instrument time (s) at which the experiment began, which for a resumed one was before."""
        now = yield from self._now()
        self._started = now if self._prior is None else self._prior.began(now)
        return self._started

    def run(self) -> Plan:
        """Survey, then iterate until the budget is spent."""
        problem = yield from self._look()
        if not self._decision:
            self.reason = out_of_time(self._settings, (yield from self._now()) - self._started, 0.0)
        if self.reason:
            return
        maps = PosteriorRecord(self._unit, len(problem), self._instrument.scan.data_root, self._tap)
        self._posteriors = self._parts.enter_context(contextlib.closing(maps))
        worker = self._parts.enter_context(contextlib.closing(AgentWorker(lambda: self._agent(problem))))
        over = self._decision > 0 and (yield from self._finished())
        pending = None if over else worker.decide()
        while pending is not None:
            yield from bps.checkpoint()
            parked = yield from self._wait_for_agent(pending)
            suggestion, explanation = pending.result()
            verdict = yield from self._record_decision(problem, suggestion, explanation, parked)
            ahead = self._settings.lookahead and self._more(verdict)
            following = worker.decide() if ahead else None
            if isinstance(verdict, Admitted):
                yield from self._measure(worker, problem, verdict, suggestion)
            else:
                yield from self._refuse(worker, verdict, suggestion)
            self._decision += 1
            self._open = False
            if (yield from self._finished()):
                break
            pending = following or worker.decide()
        yield from self._record_posterior()
        self._asked = self._decision, worker.submit("posterior")
        yield from self._record_posterior()

    def _agent(self, problem: Problem) -> Any:
        """Return the agent, which in a resumed run knows all that was taken over."""
        prior = self._prior
        if prior is None or not prior.decisions:
            return self._factory(problem)
        player = rebuilt(self._factory, problem, prior.decisions, prior.outcomes)
        return caught_up(player, ahead=self._settings.lookahead)

    def _look(self) -> Plan:
        """Take the survey, or take it over, and return the problem that follows from it."""
        prior = self._prior if self._prior is not None and self._prior.surveyed else None
        stream, motion = "survey", None
        if prior is None:
            frame = survey = yield from self._image(stream)
        else:
            yield from announce(prior.run, "survey")
            yield from bps.checkpoint()
            frame = survey = self._read_image("survey")
            stream = "reference"
            if not prior.exact:
                stream = "resurvey"
                frame = yield from self._image(stream)
                motion = yield from find_again(survey, frame, self._settings.survey)
        yield from set_phase_reference(self._instrument, survey)
        problem = self._problem(survey)
        self._gate = Gate(problem, self._instrument.spec.envelope)
        self._problem_digest = problem.digest
        self._tracker = Tracker(self._instrument, frame, self._settings.register_every, stream)
        self._placement = Placement(problem, self._tracker, frame, motion)
        if prior is not None:
            yield from self._take_over(prior, problem)
        return problem

    def _take_over(self, prior: Prior, problem: Problem) -> Plan:
        """Block what was measured before, know the drift, and record the decisions that were taken."""
        if prior.exact:
            self._tracker.recall(prior)
        for row, outcome in zip(prior.decisions, prior.outcomes, strict=True):
            if outcome["status"] != "refused":
                self._gate.take(problem.nearest(row["x"], row["y"]))
        yield from prior.record(self._decisions, self._tracker.record, self._outcomes)
        yield from self._audits.take_over()
        self._stopping.recall(prior.decisions, prior.outcomes)

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
        return self._read_image(stream)

    def _read_image(self, stream: str) -> SurveyImage:
        return survey_image(Run.from_documents(self._tap.documents), stream)

    def _problem(self, survey: SurveyImage) -> Problem:
        return build_problem(
            survey.images,
            survey.channels,
            survey.x,
            survey.y,
            self._settings.candidates,
            objective=self._settings.objective,
            admissible=admissible_pixels(survey.x, survey.y, self._instrument.spec.envelope),
        )

    def _wait_for_agent(self, future: Future) -> Plan:
        """Wait for ``future``; a real instrument that waits too long is parked meanwhile. Return whether it was."""
        if not self._instrument.link.description["virtual_clock"]:
            done = yield from await_future(future, timeout=self._instrument.spec.idle_after_s)
            if not done:
                yield from park(self._instrument)
                yield from await_future(future)
                return True
        yield from await_future(future)
        return False

    def _record_decision(
        self, problem: Problem, suggestion: dict[str, Any], explanation: dict[str, Any], parked: bool
    ) -> Plan:
        """Record the decision before anything moves and return the gate's verdict."""
        wanted = tuple(float(suggestion[dof]) for dof in problem.dofs)
        now = yield from self._now()
        verdict = self._gate.judge(suggestion, self._placement.offset(explanation["candidate"], now))
        self._open = True
        x, y = (verdict.x, verdict.y) if isinstance(verdict, Admitted) else wanted
        patch = self._settings.candidates.patch_pixels * float(problem.steps[0]) / self._settings.candidates.stride
        stale = self._gate.clearance(x, y) < (patch + problem.separation_nm) / 2
        self._audits.predict(self._decision, explanation)
        keys = ("candidate", "source", "mean", "std", "noise", "acquisition", "rank", "n_seen", "n_failed", "fit")
        yield from emit(
            self._decisions, "optimization",
            decision=self._decision, x=x, y=y, suggested_x=wanted[0], suggested_y=wanted[1],
            stale=stale, parked=parked, inherited=False,
            problem_digest=self._problem_digest,
            model_digest=explanation["model_digest"], rng_digest=explanation["rng_digest"],
            suggest_s=explanation["suggest_seconds"], fit_s=explanation["fit_seconds"],
            **{key: explanation[key] for key in keys},
        )  # fmt: skip
        return verdict

    def _more(self, verdict: Admitted | Refused) -> bool:
        return self._done + isinstance(verdict, Admitted) < self._settings.points

    def _measure(self, worker: AgentWorker, problem: Problem, point: Admitted, suggestion: dict[str, Any]) -> Plan:
        """Track, measure, scalarise the recorded event, let the agent learn."""
        if self._tracker.due(self._done):
            yield from self._tracker.register(self._decision, lambda: self._read_image("reference"))
            now = yield from self._now()
            again = self._gate.judge(suggestion, self._placement.offset(point.candidate, now))
            if isinstance(again, Refused):
                return (yield from self._refuse(worker, again, suggestion))
        self._gate.take(point.candidate)
        began = yield from self._now()
        scalar, ended = yield from self._measured_value(point)
        self._last_cost = ended - began
        good = scalar.flag == "ok"
        if good:
            better = np.fmin if self._settings.agent.direction == "min" else np.fmax
            self._best = float(better(self._best, scalar.value))
            outcome = {problem.objective: scalar.value, f"{problem.objective}_sigma": scalar.sigma, TIME: ended}
            learned = worker.submit("ingest", [{**suggestion, **outcome}])
        else:
            learned = worker.submit("register_failures", [suggestion])
        yield from self._learn(learned)
        yield from self._record_posterior()
        status = "ok" if good else "abandoned" if scalar.flag == "abandoned" else "failed"
        yield from self._record_outcome(status, scalar.flag, scalar, self._last_cost, ended)
        if good:
            yield from self._audits.settle(self._decision, scalar.value, scalar.sigma)
            self._stopping.learn(point.candidate, scalar.value)
        self._done += 1
        self._refusals = 0
        if self._done % POSTERIOR_EVERY == 0 and self._done < self._settings.points:
            self._asked = self._decision + 1, worker.submit("posterior")
            if not self._settings.lookahead:  # otherwise they are made while the instrument measures
                yield from self._record_posterior()

    def _measured_value(self, point: Admitted) -> Plan:
        """Measure at ``point`` and return the scalar of the recorded event and the clock (s) at its end."""
        yield from prepare(self._instrument)  # an approach takes time in which the sample drifts
        now = yield from self._now()
        try:
            complete = yield from measure_at(
                self._instrument,
                self._target,
                decision=self._decision,
                x_nm=point.x,
                y_nm=point.y,
                offset_nm=self._placement.offset(point.candidate, now),
            )
        except FailedStatus as failure:
            # A replay without a value there is a result like any other; all else ends the run.
            if not isinstance(failure.__cause__, NotMeasured):
                raise
            yield from bps.checkpoint()  # a rewind must not trigger it again
            return self._nothing("not_measured"), (yield from self._now())
        if not complete:
            return self._nothing("abandoned"), (yield from self._now())
        descriptor, event = self._tap.event("primary")
        measurement = measurement_from(descriptor, event, self._instrument.keys["spectrum"])
        return self._scalarizer(measurement, **self._options), event["data"][self._instrument.keys["clock"]]

    def _now(self) -> Plan:
        """Return the instrument time (s), and remember it."""
        self._clock = yield from bps.rd(self._instrument.clock)
        return self._clock

    def _nothing(self, flag: str) -> Scalar:
        """Return the scalar of a measurement that gave nothing."""
        return Scalar(math.nan, math.nan, 0.0, flag, self._unit)

    def _refuse(self, worker: AgentWorker, verdict: Refused, suggestion: dict[str, Any]) -> Plan:
        self._refusals += 1
        yield from self._learn(worker.submit("register_failures", [suggestion]))
        now = yield from self._now()
        yield from self._record_outcome("refused", verdict.reason, self._nothing("refused"), 0.0, now)
        if self._refusals >= MAX_REFUSALS:
            raise RefusedError(f"{MAX_REFUSALS} decisions in a row were refused, the last one because {verdict.reason}")

    def _learn(self, future: Future) -> Plan:
        yield from self._wait_for_agent(future)
        future.result()

    def _record_outcome(self, status: str, reason: str, scalar: Scalar, cost: float, clock: float) -> Plan:
        value = scalar.value if status == "ok" else math.nan
        yield from emit(
            self._outcomes, "outcome",
            decision=self._decision, status=status, reason=reason, objective=value, sigma=scalar.sigma,
            quality=scalar.quality, flag=scalar.flag, measure_s=cost, clock=clock, best=self._best,
        )  # fmt: skip

    def _finished(self) -> Plan:
        """Record the progress and return whether the budget is spent, or a criterion ends the run."""
        spent = (yield from self._now()) - self._started
        total, cost = self._settings.points, self._last_cost
        yield from emit(
            self._progress, "progress",
            done=self._done, total=total, best=self._best, instrument_s=spent,
            eta_s=time_left(self._settings, self._done, spent, cost),
        )  # fmt: skip
        if self._done >= total:
            self.reason = f"all {total} points measured"
        elif self._gate.exhausted:
            self.reason = f"no candidate is left that overlaps no footprint, after {self._done} of {total} points"
        else:
            cost += self._tracker.cost if self._tracker.due(self._done) else 0.0
            self.reason = self._stopping.reason or out_of_time(self._settings, spent, cost)
        return bool(self.reason)

    def _record_posterior(self) -> Plan:
        """Record what the agent believed when it was asked, if it was."""
        if self._asked is None:
            return
        (made, future), self._asked = self._asked, None
        yield from self._wait_for_agent(future)
        maps = future.result()
        yield from emit(
            self._posteriors, "posterior",
            decision=made, mean=maps["mean"], std=maps["std"], acquisition=maps["acquisition"],
        )  # fmt: skip
        yield from self._stopping.consider(made, maps, reliable=self._audits.reliable)
        yield from bps.checkpoint()  # the next posterior must not be replayed as this one
