"""What the cases of the conformance suite work with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..core.errors import ProbelineError
from .drivers import Description, ScanSettings

_PATIENCE = 30.0  # s, a posture may take that long from another thread


class Broken(ProbelineError):
    """A promise is not kept; the text says what was found."""


class Bench:
    """A driver on the test bench.

    Parameters
    ----------
    driver : Driver
        What is checked.
    point : (float, float) or None
        Where to measure (m).
    frame : float or None
        Edge of the frame (m).
    """

    def __init__(self, driver: Any, point: tuple[float, float] | None, frame: float | None):
        self.driver = driver
        self.description: Description = driver.describe()
        self.model = str(self.description.get("model", type(driver).__name__))
        x_min, x_max, y_min, y_max = self.description["scan_range"]
        self.point = point or ((x_min + x_max) / 2, (y_min + y_max) / 2)
        self.edge = frame or min(x_max - x_min, y_max - y_min) / 4

    def can(self, capability: str) -> bool:
        """Return whether the driver declares ``capability``."""
        return capability in self.description["capabilities"]

    def ready(self) -> None:
        """Make the probe ready to image."""
        if self.can("feedback"):
            self.driver.approach()

    def settings(self, slow: str = "up", lines: int = 24, scale: float = 1.0) -> ScanSettings:
        """Return a small frame around the point, its edge times ``scale``."""
        edge = scale * self.edge
        return ScanSettings(
            center_x=self.point[0], center_y=self.point[1], width=edge, height=edge,
            pixels=16, lines=lines, angle=0.0, slow=slow,
        )  # fmt: skip


def expect(condition: bool, otherwise: str) -> None:
    """Raise :class:`Broken` with ``otherwise`` unless ``condition``."""
    if not condition:
        raise Broken(otherwise)


def refuses(kinds: type[Exception] | tuple[type[Exception], ...], what: str, function: Callable[..., Any], *args: Any):
    """Raise :class:`Broken` unless ``function(*args)`` raises one of ``kinds``."""
    names = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
    try:
        function(*args)
    except kinds:
        return
    except Exception as error:
        raise Broken(f"{what} raised {type(error).__name__} ({error}) instead of {names}") from error
    raise Broken(f"{what} was accepted; it has to raise {names}")


def from_another_thread(function: Callable[[], None]) -> None:
    """Call ``function`` on another thread and wait for it.

    Raises
    ------
    Broken
        When it does not return, or fails.
    """
    errors: list[Exception] = []

    def run() -> None:
        try:
            function()
        except Exception as error:  # handed to the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    expect(not thread.is_alive(), f"{function.__name__} did not return within {_PATIENCE:g} s while a scan ran")
    expect(not errors, f"{function.__name__} failed while a scan ran: {errors}")
