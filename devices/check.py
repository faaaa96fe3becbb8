"""Whether a driver keeps its promises: the public conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.errors import ProbelineError
from . import check_acquisitions, check_postures, check_signals
from .check_case import Bench, Broken
from .drivers import Driver


@dataclass(frozen=True)
class Finding:
    """One promise, and whether it is kept.

    Attributes
    ----------
    name : str
        The promise, in words.
    ok : bool
        Whether it is kept.
    detail : str
        What was found instead; empty when it is kept.
    """

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """What :func:`check_instrument` found, in the order it was checked."""

    model: str
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> list[Finding]:
        """The promises that are not kept."""
        return [finding for finding in self.findings if not finding.ok]

    @property
    def ok(self) -> bool:
        """Whether all promises are kept."""
        return not self.problems

    def require(self) -> None:
        """Raise unless all promises are kept.

        Raises
        ------
        NotConforming
            Listing every problem.
        """
        if self.problems:
            raise NotConforming(str(self))

    def __str__(self) -> str:
        lines = [
            f"{'ok    ' if f.ok else 'FAILED'}  {f.name}{': ' + f.detail if f.detail else ''}" for f in self.findings
        ]
        return "\n".join([f"{self.model}: {len(self.problems)} of {len(self.findings)} promises broken", *lines])


class NotConforming(ProbelineError):
    """A driver breaks promises of :mod:`probeline.devices.drivers`."""


def check_instrument(
    driver_or_opener: Driver | Callable[[], Driver],
    *,
    point: tuple[float, float] | None = None,
    frame: float | None = None,
) -> Report:
    """Check a driver against the protocols of :mod:`probeline.devices.drivers`.

    It moves, scans small frames, measures every kind of spectrum once, approaches, withdraws and
    ends in *safe*: run it on hardware only where that is harmless. Signals are set to their
    present values, or to values that have to be refused; bias and drive, where they are 0, for a
    moment to ten times their resolution, and the beam is unblanked, so that there is something to switch off.

    Parameters
    ----------
    driver_or_opener : Driver or callable
        A driver, left open; or a function that opens one, called once, and closed twice here.
    point : (float, float), optional
        Where to measure (m); the middle of the scan range when left out.
    frame : float, optional
        Edge of the frame (m); a quarter of the scan range when left out.

    Returns
    -------
    Report
        Every promise, kept or not; ``require()`` raises when one is not.
    """
    opened = not isinstance(driver_or_opener, Driver)
    driver: Any = driver_or_opener() if opened else driver_or_opener  # pyright: ignore[reportCallIssue]
    bench = Bench(driver, point, frame)
    cases = [*check_signals.CASES, *check_acquisitions.CASES, *check_postures.CASES]
    if opened:
        cases.append(check_signals.close_can_be_repeated)
    try:
        return Report(bench.model, tuple(_find(case, bench) for case in cases))
    finally:
        if opened:
            driver.close()


def _find(case: Callable[[Bench], None], bench: Bench) -> Finding:
    name = (case.__doc__ or case.__name__).strip().rstrip(".")
    try:
        case(bench)
    except Broken as broken:
        return Finding(name, False, str(broken))
    except Exception as error:  # whatever a driver raises where it should not is a finding
        return Finding(name, False, f"{type(error).__name__}: {error}")
    return Finding(name, True)
