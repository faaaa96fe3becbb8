"""The envelope: one frozen statement of what an instrument must never be asked to do."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .errors import LimitError


class Envelope(BaseModel):
    """Limits and budgets of one instrument, in SI units, keyed by driver key.

    Attributes
    ----------
    limits : dict[str, tuple[float, float]]
        Inclusive range of each key. ``x`` and ``y`` are scanner coordinates (m).
    max_step : dict[str, float]
        Largest change of a key in one command.
    budgets : dict[str, float]
        What may be spent in one session: ``seconds`` (instrument time), ``pulses``
        (bias steps), ``dose`` (electrons). A budget that no driver can count is refused
        when the guard is built: uncalibrated is unavailable, not zero.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: Mapping[str, tuple[float, float]] = Field(default_factory=dict)
    max_step: Mapping[str, float] = Field(default_factory=dict)
    budgets: Mapping[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ordered(self) -> Envelope:
        for key, (low, high) in self.limits.items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(f"limits of {key} must be finite and ordered, got [{low}, {high}]")
        for name, table in (("max_step", self.max_step), ("budget", self.budgets)):
            for key, value in table.items():
                if not value > 0:
                    raise ValueError(f"{name} of {key} must be positive, got {value}")
        return self

    def check(self, key: str, value: float, unit: str = "") -> None:
        """Raise unless ``value`` of ``key`` is finite and inside its limits.

        Raises
        ------
        LimitError
            Naming the key, the value, the limit and what to do.
        """
        if not math.isfinite(value):
            raise LimitError(key, value, "a finite number", unit, "give a finite value")
        low, high = self.limits.get(key, (-math.inf, math.inf))
        if not low <= value <= high:
            raise LimitError(
                key,
                float(value),
                f"{low:g} to {high:g} {unit}".rstrip(),
                unit,
                "choose a value inside, or change the envelope in the instrument file",
            )

    def check_step(self, key: str, old: float, new: float, unit: str = "") -> None:
        """Raise when going from ``old`` to ``new`` in one command is too large a step.

        Raises
        ------
        LimitError
            When ``|new - old|`` exceeds ``max_step[key]``.
        """
        step = self.max_step.get(key)
        if step is not None and not abs(new - old) <= step:  # NaN is no small step
            raise LimitError(
                f"step of {key}",
                abs(new - old),
                f"{step:g} {unit}".rstrip(),
                unit,
                "approach the value in smaller steps",
            )

    def check_spend(self, key: str, spent: float, more: float) -> None:
        """Raise when spending ``more`` would exceed the budget of ``key``.

        Raises
        ------
        LimitError
            When ``spent + more`` exceeds ``budgets[key]``.
        """
        budget = self.budgets.get(key)
        if budget is not None and not spent + more <= budget:
            raise LimitError(
                f"budget of {key}",
                float(spent + more),
                f"{budget:g}",
                "",
                f"{spent:g} is spent already; end the session or raise the budget in the instrument file",
            )
