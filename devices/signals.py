"""Signals: one named quantity each, in the microscopist's units, checked before anything is sent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ophyd import Kind, Signal

from ..core.errors import CommandRejected, LimitError
from ..core.units import from_si, to_si
from .limits import check_number
from .link import Link, Progress, finish

_NUMPY = {"number": "<f8", "integer": "<i8", "boolean": "|b1"}
_PYTHON: dict[str, Callable[[Any], Any]] = {"number": float, "integer": int, "boolean": bool, "string": str}
_RELATIVE = 1e-6  # a controller that holds floats of 32 bits loses about 1e-7


def shown_range(low: float, high: float, unit: str) -> tuple[float, float]:
    """Return a range given in SI in ``unit``, without the dust of the conversion (1000, not 999.9999999999999)."""
    return float(f"{from_si(low, unit):.12g}"), float(f"{from_si(high, unit):.12g}")


class Quantity(Signal):
    """Base of all our signals: unit, limits, type; describes and checks them.

    Parameters
    ----------
    unit : str
        Unit shown, a key of :mod:`probeline.core.units`.
    dtype : {"number", "integer", "boolean", "string"}
        Type of the value.
    limits : (float, float), optional
        Inclusive range, in ``unit``.
    resolution : float, optional
        Smallest step that can be held, in ``unit``: the absolute tolerance.
    choices : sequence of str
        What a text may be; empty for any.
    doc : str
        One line for the prompt.
    """

    def __init__(
        self,
        *,
        unit: str = "",
        dtype: str = "number",
        limits: tuple[float, float] | None = None,
        resolution: float | None = None,
        choices: Sequence[str] = (),
        doc: str = "",
        kind: Any = Kind.normal,
        **kwargs: Any,
    ):
        super().__init__(kind=kind, tolerance=resolution, rtolerance=_RELATIVE, **kwargs)
        self.unit, self.dtype, self.choices, self.doc = unit, dtype, list(choices), doc
        self._limits = limits

    @property
    def limits(self) -> tuple[float, float]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Inclusive range (``unit``); infinite where there is none."""
        return self._limits or (-math.inf, math.inf)

    @property
    def precision(self) -> int:
        """Digits after the decimal point that mean something."""
        return max(0, math.ceil(-math.log10(self.tolerance))) if self.tolerance else 6

    def check_value(self, value: Any, **kwargs: Any) -> None:
        """Raise unless ``value`` (``unit``) may be set; moves nothing.

        Raises
        ------
        CommandRejected
            For a wrong type or an unknown choice, or when it cannot be set at all.
        LimitError
            For a value that is not finite or out of range.
        """
        if self.dtype in ("number", "integer"):
            self.check_range(value)
        elif self.dtype == "boolean" and (not isinstance(value, bool | int | np.bool_) or value not in (0, 1)):
            raise CommandRejected(f"{self.name} = {value!r} is neither true nor false")
        elif self.dtype == "string" and (not isinstance(value, str) or value not in (self.choices or [value])):
            raise CommandRejected(f"{self.name} = {value!r} is none of {', '.join(self.choices) or 'a text'}")

    def check_range(self, value: Any) -> None:
        """Raise unless ``value`` is a finite number inside the limits.

        Raises
        ------
        CommandRejected, LimitError
            Naming the value and the limits with their unit.
        """
        number = check_number(self.name, value, self.unit, integer=self.dtype == "integer")
        low, high = self.limits
        # What went through SI and back misses a limit by rounding.
        if not (low <= number <= high or any(math.isclose(number, end, rel_tol=1e-12) for end in (low, high))):
            raise LimitError(
                self.name, number, f"{low:g} to {high:g} {self.unit}".rstrip(), self.unit,
                "choose a value inside, or change the envelope in the instrument file",
            )  # fmt: skip

    def put(self, value: Any, **kwargs: Any) -> None:
        """Check ``value`` and set it now.

        Raises
        ------
        CommandRejected, LimitError
            Before anything is sent.
        """
        self.check_value(value)
        self._write(self.plain(value))

    def plain(self, value: Any) -> Any:
        """Return a checked ``value`` as ``float``, ``int``, ``bool`` or ``str``."""
        return _PYTHON[self.dtype](value)

    def _write(self, value: Any) -> None:
        raise CommandRejected(f"{self.name} is read-only")

    def _keep(self, value: Any) -> None:
        super().put(value, force=True, timestamp=time.time())

    def describe(self) -> dict[str, dict[str, Any]]:
        """Return the data key: unit, type, limits (``lower_ctrl_limit``, ``upper_ctrl_limit``), precision."""
        key: dict[str, Any] = {"source": self.source_name, "dtype": self.dtype, "shape": [], "units": self.unit}
        if self.dtype in _NUMPY:
            key["dtype_numpy"] = _NUMPY[self.dtype]
        if self.dtype == "number":
            key["precision"] = self.precision
        for name, limit in zip(("lower_ctrl_limit", "upper_ctrl_limit"), self.limits, strict=True):
            if math.isfinite(limit):
                key[name] = limit
        if self.choices:
            key["choices"] = self.choices
        return {self.name: key}


class Setting(Quantity):
    """A value that is kept here and used by the next acquisition, for example a frame width."""

    @property
    def source_name(self) -> str:
        """Says that no controller holds it."""
        return f"setting:{self.name}"

    def get(self, **kwargs: Any) -> Any:
        """Return the value (``unit``)."""
        return self._readback

    def _write(self, value: Any) -> None:
        self._keep(value)

    def set(
        self, value: Any, *, timeout: float | None = None, settle_time: float | None = None, **kwargs: Any
    ) -> Progress:
        """Check and keep ``value``; the status is finished already.

        Raises
        ------
        CommandRejected, LimitError
            When the value is refused.
        """
        self.put(value)
        status = Progress(self)
        status.set_finished()
        return status


class ReadOnly(Quantity):
    """A value that is asked for at each reading.

    Parameters
    ----------
    ask : callable
        ``ask(link) -> value`` in SI.
    source : str
        Where it comes from.
    """

    def __init__(self, *, ask: Callable[[Link], Any], source: str, parent: Any, **kwargs: Any):
        super().__init__(parent=parent, **kwargs)
        self._owner, self._ask, self._source = parent, ask, source
        self._metadata["write_access"] = False

    @property
    def source_name(self) -> str:
        """Where it comes from."""
        return self._source

    def get(self, **kwargs: Any) -> Any:
        """Return the present value (``unit``)."""
        value = self._ask(self._owner.link)
        self._keep(from_si(value, self.unit) if self.dtype == "number" else value)
        return self._readback

    def set(
        self, value: Any, *, timeout: float | None = None, settle_time: float | None = None, **kwargs: Any
    ) -> Progress:
        """Refuse: it is read-only."""
        raise CommandRejected(f"{self.name} is read-only")

    def check_value(self, value: Any, **kwargs: Any) -> None:
        """Refuse: it is read-only."""
        raise CommandRejected(f"{self.name} is read-only")


class DriverSignal(Quantity):
    """A named quantity of the controller: sets, reads back, never answers from memory.

    Parameters
    ----------
    key : str
        Key in ``describe()["signals"]`` of the driver, which states limits and resolution.
    unit : str
        Unit shown; SI of the driver otherwise.
    parent : Device
        Has the ``link`` to the driver.
    timeout : float
        Wall seconds that :meth:`set` may take.
    """

    def __init__(self, key: str, *, unit: str | None = None, parent: Any, timeout: float = 60.0, **kwargs: Any):
        info = parent.link.description["signals"][key]
        shown = info["unit"] if unit is None else unit
        limits, step = info.get("limits"), info.get("resolution")
        super().__init__(
            unit=shown,
            dtype=info["dtype"],
            limits=None if limits is None else shown_range(limits[0], limits[1], shown),
            resolution=None if step is None else from_si(step, shown),
            choices=info.get("choices", ()),
            doc=info.get("doc", ""),
            parent=parent,
            **kwargs,
        )
        self._owner = parent
        self.key, self._timeout, self._writable = key, timeout, info["writable"]
        self._metadata["write_access"] = self._writable

    @property
    def _link(self) -> Link:
        return self._owner.link

    @property
    def source_name(self) -> str:
        """Model of the controller and key of the quantity."""
        return f"{self._link.description['model']}:{self.key}"

    def get(self, **kwargs: Any) -> Any:
        """Return the present value (``unit``), read from the controller."""
        value = self._link.driver.get_many([self.key])[self.key]
        self._keep(from_si(float(value), self.unit) if self.dtype == "number" else self.plain(value))
        return self._readback

    def check_value(self, value: Any, **kwargs: Any) -> None:
        """Raise unless ``value`` (``unit``) may be set; moves nothing.

        Raises
        ------
        CommandRejected
            When the quantity is read-only, or for a wrong type or choice.
        LimitError
            For a value that is not finite or out of range.
        """
        if not self._writable:
            raise CommandRejected(f"{self.name} is read-only")
        super().check_value(value)

    def set(
        self, value: Any, *, timeout: float | None = None, settle_time: float | None = None, **kwargs: Any
    ) -> Progress:
        """Check ``value``, send it, and finish the status when the controller holds it.

        Raises
        ------
        CommandRejected, LimitError
            Before anything is sent.
        """
        self.check_value(value)
        status = Progress(self, timeout=self._timeout if timeout is None else timeout, settle_time=settle_time or 0)
        finish(status, self._link.actions.submit(self._link.driver.bound(self._write), self.plain(value)))
        return status

    def _write(self, value: Any) -> None:
        sent = self._inside(to_si(value, self.unit)) if self.dtype == "number" else value
        self._link.driver.set_many({self.key: sent})
        held = self.get()
        close = math.isclose(held, value, rel_tol=_RELATIVE, abs_tol=self.tolerance or 0.0) if (
            self.dtype == "number"
        ) else held == value  # fmt: skip
        if not close:
            raise CommandRejected(
                f"{self.name} = {value} {self.unit} was sent, but the controller holds {held}; "
                "check that nothing else controls it"
            )

    def _inside(self, si: float) -> float:
        """Return ``si``, or the limit that it misses only by the rounding of the unit."""
        low, high = self._link.description["signals"][self.key].get("limits", (si, si))
        for limit in (low, high):
            if math.isclose(si, limit, rel_tol=1e-12):
                return limit
        return si
