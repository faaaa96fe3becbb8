"""The iteration of an exploration, one step per method."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np

from ..agents.ledger import TIME
from ..agents.problem import Problem
from ..analysis.measurement import Scalar
from ..catalog.player import rebuilt, told
from ..core.errors import RefusedError
from .auditing import Audits
from .batch import Decided, Decisions
from .budget import check_room
from .clock import Clock
from .control import Control
from .gate import Admitted, Refused
from .maps import Maps
from .measuring import Measuring
from .overview import Overview, read_image
from .prior import NOT_BEGUN, Prior
from .records import emit, outcome_record, progress_record
from .resumed_agent import caught_up
from .settings import ExploreSettings
from .settled import status_of
from .stopping import Stopping, out_of_time, time_left
from .stubs import Plan
from .tap import RunTap
from .worker import AgentWorker, await_agent

# Batches in a row, each refused as a whole, after which the run ends: an agent that cannot be followed is broken.
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
        self._unit, self._factory, self._tap, self._prior = unit, factory, tap, prior
        self._parts = contextlib.ExitStack()
        self._clock = Clock(instrument)
        self._overview = Overview(instrument, settings, tap, prior)
        self._measuring = Measuring(instrument, scalarizer, options, unit, tap, self._clock)
        self._audits = Audits(settings.agent.on_miscalibrated, prior)
        self._stopping = Stopping(settings)
        self._decisions = Decisions(unit, settings, self._audits, prior)
        self._control = Control(settings.reference_every, prior)
        self._outcomes, self._progress = outcome_record(unit), progress_record(unit)
        self._best = math.nan
        self._done = self._settled = self._committed = self._refusals = self._seen = self._untold = 0
        self._started = self._last_cost = 0.0
        self._begun = -1  # number of the decision whose measurement began last
        self._fruitful = False  # whether anything of the open batch was measured
        self._registered = -1  # measurements made when drift was registered last
        if prior is not None:
            self._best, self._last_cost = prior.best, prior.last_cost
            self._done, self._settled, self._refusals = prior.done, len(prior.outcomes), prior.refusals
            self._fruitful = prior.fruitful
            self._committed, self._seen, self._registered = prior.committed, prior.seen, prior.registered
            self._untold = self._settled - len(told(prior.decisions, prior.outcomes))
        self.reason = self._refusal = ""

    def check_budget(self) -> Plan:
        """Plan stub: raise when more points are asked for than the geometry has room for or the budgets allow.

        Raises
        ------
        RefusedError
            Before anything moves; also when ROI and exclusion zones leave no candidate.
        """
        yield from check_room(self._settings)
        spectrometer = self._instrument.spectrometer
        cost = self._instrument.link.driver.check_cost
        points = self._settings.points
        times = max(points - self._done, 0) + max(self._control.count(points), 0)
        cost(spectrometer.measures, spectrometer.settings(), times)

    def close(self) -> Plan:
        """End the agent's thread and close the file of its maps."""
        self._parts.close()
        yield from bps.null()

    def abandon(self, reason: str, *, dropped: bool) -> Plan:
        """Record that decisions which still wait for their outcome will have none.

        ``dropped`` says that an event was half written, and given up: that of a decision is none then.
        """
        recorded = self._decisions.written - dropped
        if dropped and self._tap.last("optimization", "decision") == self._decisions.written:
            recorded = self._decisions.written  # it was another event
        settled = self._tap.last("outcome", "decision")  # an abort may come while an outcome is written
        for decided in self._decisions.open:
            if decided.number <= recorded and decided.number != settled:
                flag = "abandoned" if decided.number == self._begun else NOT_BEGUN
                # The instrument is not asked for the time: it may be what failed.
                yield from self._record_outcome(decided, "abandoned", reason, self._measuring.nothing(flag), 0.0)

    def begin(self) -> Plan:
        """Return the instrument time (s) at which the experiment began, which for a resumed one was before."""
        now = yield from self._clock.now()
        self._started = now if self._prior is None else self._prior.began
        return self._started

    def run(self) -> Plan:
        """Survey, then iterate until the budget is spent."""
        self._scene = yield from self._overview.look()
        if self._prior is not None:
            yield from self._take_over(self._prior)
        if not self._decisions.count:
            self.reason = out_of_time(self._settings, (yield from self._clock.now()) - self._started, 0.0)
        if self.reason:
            return
        problem = self._scene.problem
        maps = Maps(self._instrument, self._unit, len(problem), self._tap, self._audits, self._stopping)
        self._maps = self._parts.enter_context(maps)
        self._worker = self._parts.enter_context(contextlib.closing(AgentWorker(lambda: self._agent(problem))))
        over = self._decisions.count > 0 and (yield from self._finished())
        yield from self._reopen()
        following = self._ahead()
        while not over:
            if not self._decisions.open and self._control.due(self._done):
                over = yield from self._measure_control()
                continue
            if not self._decisions.open:
                yield from self._decide(following or self._worker.decide(self._count(self._done)))
                following = self._ahead()
            over = yield from self._follow(following)
        yield from self._leave(following)
        yield from self._maps.write()
        self._maps.ask(self._worker, self._settled)
        yield from self._maps.write()

    def _agent(self, problem: Problem) -> Any:
        """Return the agent, which in a resumed run knows all that was taken over."""
        prior = self._prior
        if prior is None or not prior.decisions:
            return self._factory(problem)
        player = rebuilt(self._factory, problem, prior.decisions, prior.outcomes)
        return caught_up(player, prior, ahead=self._settings.lookahead and self._count(prior.committed))

    def _take_over(self, prior: Prior) -> Plan:
        """Record the decisions that were taken, and know what came of them."""
        yield from prior.record(self._decisions.record, self._scene.tracker.record, self._outcomes)
        yield from self._audits.take_over()
        self._stopping.recall(prior.decisions, prior.outcomes)
        self._control.recall(prior, self._scene.problem)

    def _reopen(self) -> Plan:
        """Take up what was decided in the run before and not followed there."""
        if self._prior is None or not self._prior.open:
            return
        suggested = self._worker.submit("suggested", [row["decision"] for row in self._prior.open])
        yield from await_agent(self._instrument, suggested)
        now = yield from self._clock.now()
        self._decisions.go_on(self._scene, self._prior, suggested.result(), now)

    def _count(self, measured: int) -> int:
        """Return how many points to decide for at once after so many measurements."""
        return min(self._settings.batch, self._settings.points - measured)

    def _ahead(self) -> Future | None:
        """Let the agent decide before the outcomes of what is decided are known, if it is to look ahead."""
        count = self._count(self._committed)
        return self._worker.decide(count) if self._settings.lookahead and count > 0 else None

    def _decide(self, future: Future) -> Plan:
        """Record what the agent decides, before anything moves."""
        parked = yield from await_agent(self._instrument, future)
        told = future.result()
        now = yield from self._clock.now()
        self._committed = self._done + len(told)
        yield from self._decisions.take(self._scene, told, now, parked=parked)

    def _follow(self, following: Future | None) -> Plan:
        """Settle the decisions that are open, one after the other; return whether the run is over."""
        over = False
        while self._decisions.open and not over:
            yield from bps.checkpoint()
            decided = self._decisions.open[0]
            if isinstance(decided.verdict, Admitted):
                yield from self._measure(decided, decided.verdict, following)
            else:
                yield from self._refuse(decided, decided.verdict)
            self._decisions.close(decided)
            self._settled += 1
            over = yield from self._finished()
            if not self._decisions.open:
                self._check_refusals()
        return over

    def _check_refusals(self) -> None:
        """Raise where nothing was measured of too many batches in a row, the one that ends now among them."""
        self._refusals = 0 if self._fruitful else self._refusals + 1
        self._fruitful = False
        if self._refusals >= MAX_REFUSALS:
            what = "decisions" if self._settings.batch == 1 else "batches"
            raise RefusedError(f"{MAX_REFUSALS} {what} in a row were refused, the last one because {self._refusal}")

    def _leave(self, following: Future | None) -> Plan:
        """Record that the run ends before decisions were followed: what the agent believes depends on them."""
        yield from self._give_up()
        if following is not None:
            yield from await_agent(self._instrument, following)
            if not isinstance(following.exception(), RefusedError):  # no candidate was left to decide for
                yield from self._decide(following)
                yield from self._give_up()

    def _give_up(self) -> Plan:
        for decided in list(self._decisions.open):
            yield from bps.checkpoint()
            yield from self._learn("register_failures", decided.suggestion)
            status, reason = "abandoned", self.reason
            if isinstance(decided.verdict, Refused):
                status, reason = "refused", decided.verdict.reason
            yield from self._record_outcome(decided, status, reason, self._measuring.nothing(NOT_BEGUN), 0.0)
            self._decisions.close(decided)
            self._settled += 1

    def _measure(self, decided: Decided, point: Admitted, following: Future | None) -> Plan:
        """Track, measure, scalarise the recorded event, let the agent learn."""
        gate, placement = self._scene.gate, self._scene.placement
        yield from self._register(decided)
        began = yield from self._clock.now()
        again = gate.admit(point.candidate, placement.offset(point.candidate, began))  # it has drifted since
        if isinstance(again, Refused):
            return (yield from self._refuse(decided, again))
        gate.take(point.candidate)
        scalar, ended = yield from self._measure_at(decided, point)
        self._last_cost = ended - began
        good = scalar.flag == "ok"
        if good:
            better = np.fmin if self._settings.agent.direction == "min" else np.fmax
            self._best = float(better(self._best, scalar.value))
            yield from self._learn("ingest", {**decided.suggestion, **self._told(scalar, ended)})
        else:
            yield from self._learn("register_failures", decided.suggestion)
        yield from self._maps.write()
        status = status_of(scalar, control=False)
        yield from self._record_outcome(decided, status, scalar.flag, scalar, self._last_cost, ended)
        if good:
            self._seen += 1
            self._control.learn(point)
            yield from self._audits.settle(decided.number, scalar.value, scalar.sigma)
            self._stopping.learn(point.candidate, scalar.value)
        self._done += 1
        self._fruitful = True
        if self._done % POSTERIOR_EVERY == 0 and self._done < self._settings.points:
            self._maps.ask(self._worker, self._settled + 1, self._decisions.open[1:], following)
            if not self._settings.lookahead:  # otherwise they are made while the instrument measures
                yield from self._maps.write()

    def _measure_control(self) -> Plan:
        """Measure the control site again and tell the agent; return whether the run is over."""
        site = self._control.site
        assert site is not None  # it is due
        now = yield from self._clock.now()
        failed = self._settled - self._untold - self._seen
        yield from self._decisions.take_control(self._scene, site, now, self._seen, failed)
        (decided,) = self._decisions.open
        self._control.measured(self._done)
        if isinstance(decided.verdict, Refused):
            nothing = self._measuring.nothing("refused")
            yield from self._record_outcome(decided, "refused", decided.verdict.reason, nothing, 0.0)
            self._untold += 1
        else:
            yield from self._register(decided)
            began = yield from self._clock.now()
            scalar, ended = yield from self._measure_at(decided, site)
            self._last_cost = ended - began
            status = status_of(scalar, control=True)
            if status == "external":
                yield from self._learn("ingest", {**decided.suggestion, **self._told(scalar, ended)})
                self._seen += 1
            else:
                self._untold += 1
            yield from self._record_outcome(decided, status, scalar.flag, scalar, self._last_cost, ended)
            if status == "external":
                yield from self._audits.settle(decided.number, scalar.value, scalar.sigma)
        self._decisions.close(decided)
        self._settled += 1
        return (yield from self._finished())

    @property
    def _registers(self) -> bool:
        """Whether drift is registered before the next measurement: once, whatever that is and whatever comes of it."""
        return self._scene.tracker.due(self._done) and self._registered != self._done

    def _register(self, decided: Decided) -> Plan:
        if self._registers:
            self._registered = self._done
            yield from self._scene.tracker.register(decided.number, lambda: read_image(self._tap, "reference"))

    def _measure_at(self, decided: Decided, point: Admitted) -> Plan:
        """Measure; return the scalar and the clock (s) at its end."""
        self._begun = decided.number
        self._decisions.reach(point)
        return (yield from self._measuring.at(decided.number, point, self._scene.placement))

    def _told(self, scalar: Scalar, clock: float) -> dict[str, float]:
        """Return an outcome as agents take it."""
        name = self._settings.objective
        return {name: scalar.value, f"{name}_sigma": scalar.sigma, TIME: clock}

    def _refuse(self, decided: Decided, verdict: Refused) -> Plan:
        self._refusal = verdict.reason
        yield from self._learn("register_failures", decided.suggestion)
        now = yield from self._clock.now()
        nothing = self._measuring.nothing("refused")
        yield from self._record_outcome(decided, "refused", verdict.reason, nothing, 0.0, now)

    def _learn(self, method: str, point: Any) -> Plan:
        """Tell the agent of one point, and wait until it knows."""
        future = self._worker.submit(method, [point])
        yield from await_agent(self._instrument, future)
        future.result()

    def _record_outcome(
        self, decided: Decided, status: str, reason: str, scalar: Scalar, cost: float, clock: float | None = None
    ) -> Plan:
        value = scalar.value if status in ("ok", "external") else math.nan
        yield from emit(
            self._outcomes, "outcome",
            decision=decided.number, status=status, reason=reason, objective=value, sigma=scalar.sigma,
            quality=scalar.quality, flag=scalar.flag, measure_s=cost,
            clock=self._clock.last if clock is None else clock, best=self._best,
        )  # fmt: skip

    def _finished(self) -> Plan:
        """Record the progress and return whether the budget is spent, or a criterion ends the run."""
        spent = (yield from self._clock.now()) - self._started
        total, cost = self._settings.points, self._last_cost
        yield from emit(
            self._progress, "progress",
            done=self._done, total=total, best=self._best, instrument_s=spent,
            eta_s=time_left(self._settings, self._done, spent, cost),
        )  # fmt: skip
        if self._done >= total:
            self.reason = f"all {total} points measured"
        elif self._scene.gate.exhausted:
            self.reason = f"no candidate is left that overlaps no footprint, after {self._done} of {total} points"
        else:
            cost += self._scene.tracker.cost if self._registers else 0.0
            self.reason = self._stopping.reason or out_of_time(self._settings, spent, cost)
        return bool(self.reason)
