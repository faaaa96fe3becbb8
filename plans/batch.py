"""Decisions that are taken together: all recorded before anything moves, then followed along a short path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np
from numpy.typing import NDArray

from ..catalog.player import CONTROL
from .auditing import Audits
from .gate import Admitted, Refused
from .overview import Scene
from .prior import Prior
from .records import decision_record
from .settings import ExploreSettings
from .stubs import Plan

_TOLD = ("candidate", "source", "mean", "std", "noise", "acquisition", "rank", "n_seen", "n_failed", "fit")
_DIGESTS = ("model_digest", "rng_digest")


@dataclass(frozen=True)
class Decided:
    """A recorded decision that has no outcome yet; ``candidate`` is the one that the agent named."""

    number: int
    suggestion: Mapping[str, Any]
    candidate: int
    verdict: Admitted | Refused


class Decisions:
    """Writes decisions down, and knows those that wait for their outcome.

    Parameters
    ----------
    unit : str
        Of the objective.
    settings : ExploreSettings
        What to do.
    audits : Audits
        Is told what was predicted.
    prior : Prior, optional
        What is taken over from an earlier run.

    Attributes
    ----------
    open : list of Decided
        In the order in which they are to be followed.
    count : int
        How many decisions there are, those of the run before included.
    written : int
        Number of the last one that was recorded, unless its event was dropped.
    """

    def __init__(self, unit: str, settings: ExploreSettings, audits: Audits, prior: Prior | None = None):
        self.record = decision_record(unit)
        self._candidates, self._audits = settings.candidates, audits
        self.open: list[Decided] = []
        self.count = 0 if prior is None else len(prior.decisions)
        self.written = self.count - 1
        self._batch = 0 if prior is None else prior.batches
        self._here = None if prior is None else prior.here

    def take(
        self, scene: Scene, told: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], now: float, *, parked: bool
    ) -> Plan:
        """Plan stub: record what the agent decided and why, before anything moves; it is ``open`` from then on.

        Parameters
        ----------
        scene : Scene
            Its gate judges.
        told : sequence of (suggestion, explanation)
            A batch, in the order in which the agent decided.
        now : float
            Instrument time (s).
        parked : bool
            Whether the probe was parked while the agent thought.
        """
        gate, rows = scene.gate.copy(), []
        for number, (suggestion, explained) in enumerate(told, self.count):
            verdict = gate.judge(suggestion, scene.placement.offset(explained["candidate"], now))
            stale = gate.clearance(*self._place(suggestion, verdict)) < self._touching(scene)
            if isinstance(verdict, Admitted):
                gate.take(verdict.candidate)  # of this copy: the next one must not overlap it
            rows.append((Decided(number, suggestion, explained["candidate"], verdict), explained, stale))
        self.open = in_turn([decided for decided, *_ in rows], self._here)
        for decided, explained, stale in rows:
            yield from bps.checkpoint()  # a rewind must not record the next one in its place
            yield from self._write(scene, decided, explained, stale=stale, parked=parked)
        self.count += len(rows)
        self._batch += 1

    def take_control(self, scene: Scene, site: Admitted, now: float, seen: int, failed: int) -> Plan:
        """Plan stub: record that the control site is measured again, before anything moves; it is ``open`` then.

        Parameters
        ----------
        scene : Scene
            Its gate judges, footprints apart.
        site : Admitted
            The control site.
        now : float
            Instrument time (s).
        seen, failed : int
            Outcomes and failures that the agent knows.
        """
        verdict = scene.gate.again(site.candidate, scene.placement.offset(site.candidate, now))
        decided = Decided(self.count, {"x": site.x, "y": site.y}, site.candidate, verdict)
        explained = {
            **dict.fromkeys(("mean", "std", "noise", "acquisition"), math.nan), **dict.fromkeys(_DIGESTS, ""),
            "candidate": site.candidate, "source": CONTROL, "rank": 0, "n_seen": seen, "n_failed": failed, "fit": 0,
            "suggest_seconds": 0.0, "fit_seconds": 0.0,
        }  # fmt: skip
        self.open = [decided]
        yield from bps.checkpoint()
        yield from self._write(scene, decided, explained, stale=True, parked=False)
        self.count += 1
        self._batch += 1

    def go_on(self, scene: Scene, prior: Prior, suggestions: Sequence[Mapping[str, Any]], now: float) -> None:
        """Open what was decided in the run before and not followed there, suggested as ``suggestions``."""
        gate, verdicts = scene.gate.copy(), {}
        for row in sorted(prior.open, key=lambda row: row["decision"]):  # as they were judged when they were taken
            place = {"x": row["x"], "y": row["y"]}  # where it was admitted: what was suggested may lie beside it
            verdicts[row["decision"]] = verdict = gate.judge(place, scene.placement.offset(row["candidate"], now))
            if isinstance(verdict, Admitted):
                gate.take(verdict.candidate)
        self.open = [
            Decided(row["decision"], suggestion, row["candidate"], verdicts[row["decision"]])
            for row, suggestion in zip(prior.open, suggestions, strict=True)
        ]

    def close(self, decided: Decided) -> None:
        """Note that a decision has its outcome."""
        self.open.remove(decided)

    def reach(self, point: Admitted) -> None:
        """Note that the probe goes to a point."""
        self._here = point.x, point.y

    def _write(
        self, scene: Scene, decided: Decided, explained: Mapping[str, Any], *, stale: bool, parked: bool
    ) -> Plan:
        wanted = _wanted(decided.suggestion)
        x, y = self._place(decided.suggestion, decided.verdict)
        self._audits.predict(decided.number, explained)
        self.record.put(
            decision=decided.number, batch=self._batch, turn=self.open.index(decided),
            x=x, y=y, suggested_x=wanted[0], suggested_y=wanted[1],
            stale=stale, parked=parked, inherited=False, problem_digest=scene.problem.digest,
            suggest_s=explained["suggest_seconds"], fit_s=explained["fit_seconds"],
            **{key: explained[key] for key in (*_TOLD, *_DIGESTS)},
        )  # fmt: skip
        yield from bps.create(name="optimization")
        yield from bps.read(self.record)  # pyright: ignore[reportArgumentType]  # structurally a Readable
        self.written = decided.number
        yield from bps.save()

    def _touching(self, scene: Scene) -> float:
        """Return how near (nm) a footprint has to be to touch the patch of a candidate."""
        problem, spec = scene.problem, self._candidates
        return (spec.patch_pixels * float(problem.steps[0]) / spec.stride + problem.separation_nm) / 2

    @staticmethod
    def _place(suggestion: Mapping[str, Any], verdict: Admitted | Refused) -> tuple[float, float]:
        return (verdict.x, verdict.y) if isinstance(verdict, Admitted) else _wanted(suggestion)


def in_turn(decided: Sequence[Decided], here: tuple[float, float] | None) -> list[Decided]:
    """Return decisions in the order in which they are to be followed.

    Those that were refused come first, because nothing moves for them. The others follow along a short open path from
    where the probe is, or in their own order where that is as short.

    Parameters
    ----------
    decided : sequence of Decided
        A batch.
    here : tuple of float, optional
        Where the probe is (nm); anywhere without it.
    """
    refused = [one for one in decided if isinstance(one.verdict, Refused)]
    points = {one.number: (one.verdict.x, one.verdict.y) for one in decided if isinstance(one.verdict, Admitted)}
    order = shortest([*points], np.array([*points.values()]), here)
    by_number = {one.number: one for one in decided}
    return refused + [by_number[number] for number in order]


def shortest(numbers: Sequence[int], points: NDArray[np.float64], here: tuple[float, float] | None) -> Sequence[int]:
    """Return ``numbers`` along a short open path through their ``points`` (nm), shape (number, 2)."""
    if len(numbers) < 2:
        return numbers
    from bluesky_adaptive.utils import route_suggestions  # here, because importing networkx takes 0.1 s

    places = [{"_id": number, "x": float(x), "y": float(y)} for number, (x, y) in zip(numbers, points, strict=True)]
    start = None if here is None else {"x": here[0], "y": here[1]}
    routed = [place["_id"] for place in route_suggestions(places, start)]
    of = dict(zip(numbers, points, strict=True))
    return min((numbers, routed), key=lambda order: path_length([of[number] for number in order], here))


def path_length(points: Sequence[Any], here: tuple[float, float] | None) -> float:
    """Return how long (nm) the way through ``points`` is, from ``here`` if that is known."""
    stops = [*points] if here is None else [here, *points]
    return sum(math.dist(a, b) for a, b in pairwise(stops))


def _wanted(suggestion: Mapping[str, Any]) -> tuple[float, float]:
    return float(suggestion["x"]), float(suggestion["y"])
