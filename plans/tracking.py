"""Keeping the survey's coordinates true while the sample drifts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np

from ..analysis.channels import derive_channels
from ..analysis.drift import DriftPath, Sighting
from ..analysis.landmark import best_landmark
from ..analysis.registration import locate
from ..catalog.surveying import SurveyImage
from ..core.errors import LimitError
from .records import drift_record, emit
from .stubs import Plan, prepare, take_frame

# Below this correlation a registration is not believed (0 to 1).
MIN_CONFIDENCE = 0.5
_LANDMARK_SHARE = 4  # the reference scan has this fraction of the survey's edge
_SEARCH_PX = 8


class Tracker:
    """Registers small scans of one landmark against the survey.

    Parameters
    ----------
    instrument : SPM or STEM
        Staged.
    survey : SurveyImage
        What to register to.
    every : int
        Measurements between two registrations; 0 for none.
    stream : str
        Stream of this run that reads the scan device with all that a reference scan reads.
    """

    def __init__(self, instrument: Any, survey: SurveyImage, every: int, stream: str = "survey"):
        self._instrument, self._survey, self._every, self._stream = instrument, survey, every, stream
        self._path = DriftPath(start=float(survey.line_clock[0]))
        self.record = drift_record()
        self.cost = 0.0  # instrument time (s) of the last registration
        if every:
            images, _ = derive_channels(survey.images, survey.channels)
            edge = min(images.shape[1:])
            self._size = max(edge // _LANDMARK_SHARE, min(16, edge // 2))
            self._landmark = best_landmark(images, min(self._size + 2 * _SEARCH_PX, edge - 2))

    def recall(self, prior: Any) -> None:
        """Take over what registrations of the run before saw: a :class:`~probeline.plans.prior.Prior`."""
        if self._every:
            then = float(self._survey.line_clock[self._landmark[0]])
            self._path = replace(self._path, sightings=prior.sightings(then))
            self.cost = prior.registration_s

    def offset(self, row: int, now: float) -> tuple[float, float]:
        """Return by how much (nm) what the survey saw in ``row`` has moved by ``now`` (s)."""
        return self._path.moved(float(self._survey.line_clock[row]), now)

    def due(self, done: int) -> bool:
        """Return whether to register before the next measurement, ``done`` having been made."""
        return bool(self._every) and done % self._every == 0

    def register(self, decision: int, read_reference: Any) -> Plan:
        """Plan stub: scan the landmark, find it in the survey, believe it if it is clear.

        Parameters
        ----------
        decision : int
            Number of the decision that waits for it.
        read_reference : callable
            Returns the :class:`SurveyImage` of the last event of stream ``reference``.
        """
        row, column = self._landmark
        then = float(self._survey.line_clock[row])
        now = yield from bps.rd(self._instrument.clock)
        guess = self._path.moved(then, now)
        center = (self._survey.x[row, column] + guess[0], self._survey.y[row, column] + guess[1])
        yield from prepare(self._instrument)
        size = self._size * self._survey.step_nm
        # bluesky 1.15 describes a reconfigured device anew from the stream that was open last; that
        # has to be one that reads it.
        yield from bps.create(name=self._stream)
        yield from bps.drop()
        try:
            yield from take_frame(self._instrument, center_nm=center, size_nm=size, pixels=self._size)
        except LimitError:
            # The landmark has drifted out of reach: nothing new is learnt, the path stays as it was.
            yield from self._say(decision, now, guess, guess, 0.0, applied=False)
            return
        yield from bps.create(name="reference")
        yield from bps.read(self._instrument.scan)
        yield from bps.read(self._instrument.clock)
        yield from bps.save()
        yield from bps.checkpoint()  # a rewind must not take another frame than the one that counts
        reference = read_reference()
        shift, confidence = self._find(reference)
        applied = confidence >= MIN_CONFIDENCE
        moved = (guess[0] + shift[0], guess[1] + shift[1])
        seen = float(reference.line_clock[self._size // 2])
        if applied:
            self._path = self._path.seen(Sighting(then, seen, moved))
        self.cost = (yield from bps.rd(self._instrument.clock)) - now
        yield from self._say(decision, seen, moved, self._path.moved(then, seen), confidence, applied=applied)

    def _say(
        self,
        decision: int,
        clock: float,
        shift: tuple[float, float],
        offset: tuple[float, float],
        confidence: float,
        *,
        applied: bool,
    ) -> Plan:
        yield from emit(
            self.record,
            "drift",
            decision=decision,
            clock=clock,
            shift_x=shift[0],
            shift_y=shift[1],
            offset_x=offset[0],
            offset_y=offset[1],
            confidence=confidence,
            applied=applied,
        )

    def _find(self, reference: SurveyImage) -> tuple[tuple[float, float], float]:
        """Return the shift (nm) of the reference scan against where it was expected, and its confidence."""
        row, column = self._landmark
        surveys, _ = derive_channels(self._survey.images, self._survey.channels)
        smalls, _ = derive_channels(reference.images, reference.channels)
        shifts = [
            locate(big, small, self._survey.step_nm, row, column, _SEARCH_PX)
            for big, small in zip(surveys, smalls, strict=True)
        ]
        best = max(shifts, key=lambda shift: np.nan_to_num(shift.confidence))
        return (best.dx_nm, best.dy_nm), best.confidence
