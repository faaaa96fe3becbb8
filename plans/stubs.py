"""Verbs that plans are made of, beyond bluesky's own."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import bluesky.plan_stubs as bps
from bluesky.utils import Msg

from ..analysis.channels import principal_phase
from ..catalog.surveying import SurveyImage

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


def set_phase_reference(instrument: Any, survey: SurveyImage) -> Plan:
    """Turn the lock-in's phase so that the survey's response lies along X; nothing without X and Y."""
    if {"x_trace", "y_trace"} <= set(survey.channels):
        x, y = (survey.images[survey.channels.index(name)] for name in ("x_trace", "y_trace"))
        yield from bps.abs_set(instrument.drive.phase_offset, math.degrees(principal_phase(x, y)), wait=True)


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
    wanted = {
        "center_x": center_nm[0],
        "center_y": center_nm[1],
        "width": size_nm,
        "height": size_nm,
        "pixels": pixels,
        "lines": pixels,
        "angle": angle_deg,
    }
    # Configured, not set: so each event's descriptor holds the place of its own frame.
    yield from bps.configure(instrument.scan, wanted)
    yield from bps.trigger(instrument.scan, wait=True)
