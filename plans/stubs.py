"""Verbs that plans are made of, beyond bluesky's own."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import bluesky.plan_stubs as bps
from bluesky.utils import Msg

Plan = Generator[Msg, Any, Any]


def settle(instrument: Any, seconds: float) -> Plan:
    """Let ``seconds`` of instrument time pass: virtual on a twin, real on hardware."""
    yield from bps.abs_set(instrument.settle, seconds, wait=True)


def park(instrument: Any) -> Plan:
    """Bring the instrument to *idle*: tip lifted, beam blanked."""
    yield from bps.abs_set(instrument.posture, "park", wait=True)


def make_safe(instrument: Any) -> Plan:
    """Bring the instrument to *safe*: withdrawn and switched off, in the order its mode needs."""
    yield from bps.abs_set(instrument.posture, "make_safe", wait=True)


def prepare(instrument: Any) -> Plan:
    """Make the probe ready to image: approached and tracking (SPM); nothing to do for a blanked beam."""
    if instrument.spec.kind == "spm":
        yield from bps.abs_set(instrument.posture, "track", wait=True)


def take_frame(
    instrument: Any, *, center_nm: tuple[float, float], size_nm: float, pixels: int, angle_deg: float = 0.0
) -> Plan:
    """Set a square frame and trigger it; read it with ``bps.read(instrument.scan)`` afterwards.

    Parameters
    ----------
    instrument : SPM or STEM
        Its scan device must be staged.
    center_nm : tuple of float
        Centre, scanner coordinates (nm).
    size_nm : float
        Outer edge (nm).
    pixels : int
        Pixels per line, and lines.
    angle_deg : float
        Counter-clockwise (deg).
    """
    frame = instrument.scan.frame
    yield from bps.mv(
        frame.center_x, center_nm[0], frame.center_y, center_nm[1], frame.width, size_nm, frame.height, size_nm,
        frame.pixels, pixels, frame.lines, pixels, frame.angle, angle_deg,
    )  # fmt: skip
    yield from bps.trigger(instrument.scan, wait=True)
