"""What a plan itself has to say, as readable objects: decisions, outcomes, drift, progress."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np
from bluesky.utils import Msg

from ..analysis.calibration import Calibration


@dataclass(frozen=True)
class Field:
    """One key of a record: its numpy type, unit, shape and axes, and whether its values are in a file."""

    kind: str  # "<f8", "<i8", "|b1" or "str"
    units: str = ""
    shape: tuple[int, ...] = ()
    dims: tuple[str, ...] = ()
    external: bool = False

    def describe(self, source: str) -> dict[str, Any]:
        """Return the data key."""
        names = {"<f8": "number", "<i8": "integer", "|b1": "boolean", "str": "string"}
        key: dict[str, Any] = {"source": source, "shape": list(self.shape), "units": self.units}
        key["dtype"] = "array" if self.shape else names[self.kind]
        if self.dims:
            key["dims"] = list(self.dims)
        if self.kind != "str":
            key["dtype_numpy"] = self.kind
        if self.external:
            key["external"] = "STREAM:"
        return key


REAL, COUNT, TEXT, FLAG = Field("<f8"), Field("<i8"), Field("str"), Field("|b1")
NM, SECONDS = Field("<f8", "nm"), Field("<f8", "s")


class Record:
    """A readable that holds what the plan put there last.

    Parameters
    ----------
    name : str
        Name of the object; keys are not prefixed by it.
    fields : mapping
        Key -> :class:`Field`.
    hints : list of str
        Keys that live tables and plots should show.
    """

    parent = None

    def __init__(self, name: str, fields: Mapping[str, Field], hints: list[str] | None = None):
        self.name = name
        self.hints = {"fields": hints or []}
        self._fields = dict(fields)
        self._reading: dict[str, Any] = {}

    def put(self, **values: Any) -> None:
        """Set every key at once; a missing or unknown key is a programming error."""
        if values.keys() != self._fields.keys():
            raise KeyError(f"{self.name}: {sorted(values.keys() ^ self._fields.keys())} missing or unknown")
        now = time.time()
        self._reading = {
            key: {"value": _plain(self._fields[key], value), "timestamp": now} for key, value in values.items()
        }

    def describe(self) -> dict[str, Any]:
        """Return the data keys."""
        return {key: field.describe(f"plan:{self.name}") for key, field in self._fields.items()}

    def read(self) -> dict[str, Any]:
        """Return what was put last."""
        return dict(self._reading)


def _plain(field: Field, value: Any) -> Any:
    if field.shape:
        return np.asarray(value, dtype=field.kind)
    return {"<f8": float, "<i8": int, "|b1": bool, "str": str}[field.kind](value)


def emit(record: Record, stream: str, **values: Any) -> Generator[Msg, Any, None]:
    """Plan stub: write one event of ``record`` with ``values`` into ``stream``."""
    record.put(**values)
    yield from bps.create(name=stream)
    yield from bps.read(record)  # pyright: ignore[reportArgumentType]  # structurally a Readable
    yield from bps.save()


def decision_record(objective_unit: str) -> Record:
    """Return the record of the ``optimization`` stream; predictions are in ``objective_unit``."""
    value = Field("<f8", objective_unit)
    return Record(
        "decision",
        {
            "decision": COUNT, "batch": COUNT, "turn": COUNT,
            "candidate": COUNT, "x": NM, "y": NM, "suggested_x": NM, "suggested_y": NM,
            "source": TEXT,
            "mean": value, "std": value, "noise": value, "acquisition": REAL, "rank": COUNT,
            "n_seen": COUNT, "n_failed": COUNT, "fit": COUNT, "stale": FLAG, "parked": FLAG,
            "inherited": FLAG,
            "problem_digest": TEXT, "model_digest": TEXT, "rng_digest": TEXT,
            "suggest_s": SECONDS, "fit_s": SECONDS,
        },
    )  # fmt: skip


def target_record(kind: str) -> Record:
    """Return the record that opens every ``primary`` event of an instrument of this kind: what was wanted where."""
    tip = {"tip_changed": FLAG} if kind == "spm" else {}
    return Record("target", {"decision": COUNT, "x": NM, "y": NM, "offset_x": NM, "offset_y": NM, **tip})


def outcome_record(objective_unit: str) -> Record:
    """Return the record of the ``outcome`` stream; values are in ``objective_unit``."""
    value = Field("<f8", objective_unit)
    return Record(
        "outcome",
        {
            "decision": COUNT, "status": TEXT, "reason": TEXT, "objective": value, "sigma": value,
            "quality": REAL, "flag": TEXT, "measure_s": SECONDS, "clock": SECONDS, "best": value,
        },
        hints=["objective", "best"],
    )  # fmt: skip


def calibration_record() -> Record:
    """Return the record of the ``calibration`` stream: the verdict on the agent's predictions after an audit."""
    numbers = [field.name for field in fields(Calibration) if field.name not in ("verdict", "n")]
    return Record("calibration", {"decision": COUNT, "verdict": TEXT, "n": COUNT, **dict.fromkeys(numbers, REAL)})


def stopping_record() -> Record:
    """Return the record of the ``stopping`` stream: what is left to learn, and which criteria hold."""
    return Record("stopping", {"decision": COUNT, "improvement": REAL, "variance": REAL, "met": TEXT, "reliable": FLAG})


def drift_record() -> Record:
    """Return the record of the ``drift`` stream."""
    keys = {"shift_x": NM, "shift_y": NM, "offset_x": NM, "offset_y": NM}
    return Record("drift", {"decision": COUNT, "clock": SECONDS, **keys, "confidence": REAL, "applied": FLAG})


def registration_record() -> Record:
    """Return the record of the ``registration`` stream: how the sample moved since the survey of the run before."""
    keys = {"shift_x": NM, "shift_y": NM, "rotation": Field("<f8", "deg")}
    return Record("registration", {**keys, "confidence": REAL, "applied": FLAG})


def progress_record(objective_unit: str) -> Record:
    """Return the record of the ``progress`` stream."""
    best = Field("<f8", objective_unit)
    return Record("progress", {"done": COUNT, "total": COUNT, "best": best, "instrument_s": SECONDS, "eta_s": SECONDS})
