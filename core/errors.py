"""Every error that probeline raises on purpose.

::

    ProbelineError
    +- RefusedError              a request was refused before anything moved
    |  +- LimitError             outside a limit, not finite, or beyond a budget
    |  +- UnknownNameError       no such instrument, agent, goal, objective, data set, run
    |  +- SpecError              a specification is malformed or contradicts itself
    +- DriverError               the controller did not do what it was asked
    |  +- ConnectionLost         the controller or its process is gone
    |  +- CommandRejected        the controller answered no
    |  +- DriverTimeout          the controller did not answer within the deadline
    |  +- NotSupported           this controller cannot do that at all
    |  +- Busy                   an acquisition is running; stop it first
    |  +- Incomplete             an acquisition was ended before there was anything to read
    |  +- NotMeasured            a replay has no measured value there
    +- InterruptedRun            the user ended a run
    +- DataError                 a file or a measurement cannot be understood
    |  +- CatalogError           a catalogue is missing, foreign, corrupt or newer
    |  +- JournalError           a journal is damaged beyond its torn last record
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ProbelineError(Exception):
    """Base of all errors raised on purpose."""


class RefusedError(ProbelineError):
    """A request was refused before anything moved."""


class LimitError(RefusedError):
    """A value is outside a limit, not finite, or beyond a budget.

    Parameters
    ----------
    what : str
        The quantity that was refused, for example ``"spm_bias"``.
    value : float or str
        What was asked for, in ``unit``.
    limit : str
        The limit in words with its unit, for example ``"-10 to 10 V"``.
    unit : str
        Unit of ``value``; empty for a pure number.
    remedy : str
        What the user can do about it.
    """

    def __init__(self, what: str, value: object, limit: str, unit: str = "", remedy: str = ""):
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        text = f"{what} = {shown} {unit}".rstrip() + f" was refused: the limit is {limit}"
        super().__init__(f"{text}; {remedy}" if remedy else text)
        self.what, self.value, self.limit, self.unit, self.remedy = what, value, limit, unit, remedy

    def __reduce__(self):
        return type(self), (self.what, self.value, self.limit, self.unit, self.remedy)


class UnknownNameError(RefusedError):
    """A name is not registered; the message lists what is, nearest first."""

    def __init__(self, kind: str, name: object, known: Iterable[str], remedy: str = ""):
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        text = f"unknown {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}."
        super().__init__(f"{text} {remedy}".rstrip())
        self.kind, self.name, self.known, self.remedy = kind, name, names, remedy

    def __reduce__(self):
        return type(self), (self.kind, self.name, self.known, self.remedy)


class SpecError(RefusedError):
    """A specification is malformed or contradicts itself."""


class DriverError(ProbelineError):
    """The controller did not do what it was asked."""


class ConnectionLost(DriverError):
    """The controller, or the process that hosts it, is gone."""


class CommandRejected(DriverError):
    """The controller answered no."""


class DriverTimeout(DriverError):
    """The controller did not answer within the deadline."""


class NotSupported(DriverError):
    """The controller cannot do that at all; asking again will not help."""


class Busy(DriverError):
    """An acquisition is running; stop it before starting another."""


class Incomplete(DriverError):
    """An acquisition was ended before its end, so there is nothing to read."""


class NotMeasured(DriverError):
    """A replay holds no measured value at the requested place."""


class InterruptedRun(ProbelineError):
    """The user ended a run; it is closed and readable, and the instrument is safe."""


class DataError(ProbelineError):
    """A file or a measurement cannot be understood."""


class CatalogError(DataError):
    """A catalogue is missing, foreign, corrupt or written by a newer version."""


class JournalError(DataError):
    """A journal is damaged beyond its torn last record."""
