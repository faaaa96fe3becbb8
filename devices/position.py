"""Placing the probe at a point."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from ophyd import Component, Kind, Signal

from ..core.errors import CommandRejected
from ..core.units import from_si, to_si
from .limits import check_number
from .link import Link, LinkedDevice, Progress
from .signals import ReadOnly, shown_range


def _read_axis(axis: int) -> Any:
    def ask(link: Link) -> float:
        return link.driver.position()[axis]

    return ask


class Target(ReadOnly):
    """Where an axis was last told to go (nm)."""

    def __init__(self, *, parent: Any, **kwargs: Any):
        super().__init__(
            ask=lambda link: to_si(parent.parent.target[parent.axis], "nm"), source="target", parent=parent, **kwargs
        )


class ProbeAxis(LinkedDevice):
    """One coordinate of the probe (nm, scanner): a positioner for ``mv``, ``scan`` and ``grid_scan``.

    The data key with the name of the axis is what is read back; ``<name>_setpoint`` is where it
    was told to go. Moving one axis leaves the other at its setpoint.

    Parameters
    ----------
    axis : {0, 1}
        x or y.
    """

    setpoint = Component(Target, unit="nm", kind=Kind.normal)
    # Scanner coordinates have no offset of a user's; `%wa` asks for it all the same.
    user_offset = Component(Signal, value=0.0, kind=Kind.omitted)

    def __init__(self, prefix: str = "", *, name: str, axis: int, parent: Any, **kwargs: Any):
        self.axis, self._probe = axis, parent
        super().__init__(prefix, name=name, parent=parent, **kwargs)
        low, high = self.link.description["scan_range"][2 * axis : 2 * axis + 2]
        self._limits = shown_range(low, high, "nm")
        self.readback = ReadOnly(
            ask=_read_axis(axis), source=f"{self.link.description['model']}:position", parent=self, name=name,
            unit="nm", limits=self._limits, resolution=1e-3, kind=Kind.hinted,
        )  # fmt: skip

    @property
    def limits(self) -> tuple[float, float]:
        """Inclusive range (nm)."""
        return self._limits

    @property
    def position(self) -> float:
        """Where the probe is (nm), read back."""
        return self.readback.get()

    @property
    def egu(self) -> str:
        """Unit of the axis."""
        return "nm"

    @property
    def precision(self) -> int:
        """Digits after the decimal point that mean something."""
        return self.readback.precision

    @property
    def hints(self) -> dict[str, list[str]]:
        """Show the readback."""
        return {"fields": [self.name]}

    def read(self) -> Any:
        """Return readback and setpoint (nm)."""
        return OrderedDict({**self.readback.read(), **super().read()})

    def describe(self) -> Any:
        """Return the data keys of readback and setpoint."""
        return OrderedDict({**self.readback.describe(), **super().describe()})

    def check_value(self, value: Any, **kwargs: Any) -> None:
        """Raise unless the axis may go to ``value`` (nm); moves nothing.

        Raises
        ------
        CommandRejected, LimitError
            For what is not a number, not finite or out of range.
        """
        check_number(self.name, value, "nm")
        self._probe.check_value(self._both(value))

    def set(self, value: float, **kwargs: Any) -> Progress:
        """Go to ``value`` (nm); the status finishes on arrival.

        Raises
        ------
        CommandRejected, LimitError
            Before anything moves.
        """
        self.check_value(value)
        return self._probe.set(self._both(value))

    def _both(self, value: float) -> tuple[float, float]:
        target = list(self._probe.target)
        target[self.axis] = value
        return target[0], target[1]


class ProbePosition(LinkedDevice):
    """Both coordinates of the probe (nm, scanner), set together: ``set((x, y))``."""

    x = Component(ProbeAxis, axis=0, kind=Kind.hinted, labels=("motors",))
    y = Component(ProbeAxis, axis=1, kind=Kind.hinted, labels=("motors",))

    def __init__(self, prefix: str = "", *, name: str, **kwargs: Any):
        self._asking = threading.Lock()
        self._target: tuple[float, float] | None = None
        super().__init__(prefix, name=name, **kwargs)

    @property
    def target(self) -> tuple[float, float]:
        """Where the probe was last told to go (nm); where it is, before the first move."""
        with self._asking:
            if self._target is None:
                x, y = self.link.driver.position()
                self._target = (from_si(x, "nm"), from_si(y, "nm"))
            return self._target

    def check_value(self, value: Sequence[float], **kwargs: Any) -> None:
        """Raise unless the probe may go to ``value`` = (x, y) (nm); moves nothing.

        Raises
        ------
        CommandRejected, LimitError
            For what is no pair of numbers, not finite or out of range.
        """
        pair = value.tolist() if isinstance(value, np.ndarray) else value
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise CommandRejected(
                f"{self.name} = {value!r} was refused: give a pair (x, y) in nm, or set {self.x.name} or "
                f"{self.y.name} alone to one number"
            )
        for axis, coordinate in zip((self.x, self.y), value, strict=True):
            axis.readback.check_range(coordinate)

    def set(self, value: Sequence[float], **kwargs: Any) -> Progress:
        """Go to ``value`` = (x, y) (nm); the status finishes on arrival.

        Raises
        ------
        CommandRejected, LimitError
            Before anything moves.
        """
        self.check_value(value)
        x, y = (float(coordinate) for coordinate in value)
        with self._asking:
            self._target = (x, y)
        return self.perform(self.link.driver.move, to_si(x, "nm"), to_si(y, "nm"))
