"""A number of each measurement, made from its recorded event."""

from __future__ import annotations

import math
from typing import Any

import bluesky.plan_stubs as bps
from bluesky.utils import FailedStatus

from ..analysis.measurement import Scalar
from ..catalog.measurements import measurement_from
from ..core.errors import NotMeasured
from .clock import Clock
from .gate import Admitted
from .measure import measure_at
from .placing import Placement
from .records import target_record
from .stubs import Plan, prepare
from .tap import RunTap


class Measuring:
    """Measures and scalarises.

    Parameters
    ----------
    instrument : SPM or STEM
        Staged.
    scalarizer : Scalarizer
        Makes a number of a measurement.
    options : dict
        Its options.
    unit : str
        Unit of the objective.
    tap : RunTap
        Knows the recorded event.
    clock : Clock
        Of the instrument.
    """

    def __init__(self, instrument: Any, scalarizer: Any, options: dict[str, Any], unit: str, tap: RunTap, clock: Clock):
        self._instrument, self._tap, self._clock = instrument, tap, clock
        self._scalarizer, self._options, self._unit = scalarizer, options, unit
        self._target = target_record(instrument.spec.kind)

    def at(self, decision: int, point: Admitted, placement: Placement) -> Plan:
        """Plan stub: measure at ``point``; return the scalar of the recorded event and the clock (s) at its end."""
        yield from prepare(self._instrument)  # an approach takes time in which the sample drifts
        now = yield from self._clock.now()
        try:
            complete = yield from measure_at(
                self._instrument,
                self._target,
                decision=decision,
                x_nm=point.x,
                y_nm=point.y,
                offset_nm=placement.offset(point.candidate, now),
            )
        except FailedStatus as failure:
            # A replay without a value there is a result like any other; all else ends the run.
            if not isinstance(failure.__cause__, NotMeasured):
                raise
            yield from bps.checkpoint()  # a rewind must not trigger it again
            return self.nothing("not_measured"), (yield from self._clock.now())
        if not complete:
            return self.nothing("abandoned"), (yield from self._clock.now())
        descriptor, event = self._tap.event("primary")
        measurement = measurement_from(descriptor, event, self._instrument.keys["spectrum"])
        return self._scalarizer(measurement, **self._options), event["data"][self._instrument.keys["clock"]]

    def nothing(self, flag: str) -> Scalar:
        """Return the scalar of a measurement that gave nothing."""
        return Scalar(math.nan, math.nan, 0.0, flag, self._unit)
