"""The drift path against paths that are known."""

from __future__ import annotations

import numpy as np
import pytest

from probeline.analysis.drift import DriftPath, Sighting


def test_nothing_is_corrected_without_evidence():
    assert DriftPath(start=0.0).moved(10.0, 500.0) == (0.0, 0.0)


def test_constant_velocity_is_extrapolated():
    """Two sightings of a constant drift of (0.2, -0.1) nm/s predict the third."""
    path = DriftPath(start=0.0, noise_nm=0.1)
    for now in (130.0, 160.0):
        path = path.seen(Sighting(60.0, now, (0.2 * (now - 60), -0.1 * (now - 60))))
    assert path.moved(60.0, 200.0) == pytest.approx((28.0, -14.0), abs=1.0)
    # Features imaged later had drifted less far from where the survey saw them.
    assert path.moved(120.0, 200.0) == pytest.approx((16.0, -8.0), abs=1.5)


def test_moving_adds_up():
    path = DriftPath(start=0.0).seen(Sighting(20.0, 140.0, (9.0, 3.0))).seen(Sighting(20.0, 180.0, (14.0, 3.0)))
    whole = np.array(path.moved(20.0, 200.0))
    parts = np.array(path.moved(20.0, 90.0)) + np.array(path.moved(90.0, 200.0))
    assert parts == pytest.approx(whole, abs=1e-9)


def test_uncertainty_grows_away_from_sightings():
    path = DriftPath(start=0.0).seen(Sighting(20.0, 140.0, (9.0, 3.0)))
    assert path.uncertainty(20.0, 140.0) < path.uncertainty(20.0, 200.0) < path.uncertainty(20.0, 400.0)
    assert path.uncertainty(20.0, 140.0) <= 1.0  # no worse than one registration
