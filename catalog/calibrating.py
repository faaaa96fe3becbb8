"""What a run recorded of how well its agent predicted, and the same in words."""

from __future__ import annotations

from dataclasses import fields

from ..analysis.calibration import NOTHING, Calibration
from .player import rows_of
from .run import Run


def calibration_of(run: Run) -> Calibration:
    """Return the last verdict of a run on its agent's predictions; undetermined where nothing was audited."""
    rows = rows_of(run, "calibration")
    return Calibration(**{field.name: rows[-1][field.name] for field in fields(Calibration)}) if rows else NOTHING


def calibration_in_words(found: Calibration) -> str:
    """Return a verdict and what it rests on, as one sentence without a full stop."""
    if not found.n:
        return "undetermined: no prediction was audited"
    count = "1 audit" if found.n == 1 else f"{found.n} audits"
    if found.verdict == "no better than the mean":
        return (
            f"no better than the mean: in {count} it scored {found.gain:+.2g} nat each against the mean of random "
            f"outcomes, and had expected {found.expected_gain:+.2g}"
        )
    scale = f"{found.scale:.2g} ({found.scale_low:.2g} to {found.scale_high:.2g})"
    bias = f"{found.bias:+.2g} ({found.bias_low:+.2g} to {found.bias_high:+.2g})"
    return (
        f"{found.verdict}: in {count} its errors were {scale} times as large as it said, around a bias of {bias} "
        f"standard deviations; e-value {found.e_value:.3g} against it"
    )
