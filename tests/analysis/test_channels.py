"""What agents see of a raw survey."""

from __future__ import annotations

import numpy as np
import pytest

from probeline.analysis.channels import derive_channels, derived_names, principal_phase
from probeline.core.rng import generator


@pytest.mark.parametrize("degrees", [-80.0, -30.0, 0.0, 45.0, 89.0])
def test_the_phase_of_a_two_domain_film_is_found(degrees):
    """Up and down domains differ by half a turn; the angle of their common line is the instrument's."""
    rng = generator(0, "channels")
    response = np.where(rng.random((40, 40)) > 0.4, 30.0, -30.0)
    angle = np.deg2rad(degrees)
    noise = rng.normal(0, 1, (2, 40, 40))
    found = principal_phase(response * np.cos(angle) + noise[0], response * np.sin(angle) + noise[1])
    assert np.rad2deg(found) == pytest.approx(degrees, abs=0.5)


def test_derived_channels_of_a_scanning_probe():
    raw = ["height_trace", "height_retrace", "x_trace", "x_retrace", "y_trace", "y_retrace", "phase_trace"]
    images = generator(1, "channels").normal(size=(len(raw), 8, 8))
    derived, names = derive_channels(images, raw)
    assert names == derived_names(raw) == ["height", "response", "amplitude"]
    assert derived.shape == (3, 8, 8)
    assert derived[2] == pytest.approx(np.hypot(images[2], images[4]))


def test_other_channels_pass_unchanged():
    images = np.arange(8.0).reshape(2, 2, 2)
    derived, names = derive_channels(images, ["haadf", "height"])
    assert names == ["haadf", "height"]
    assert np.array_equal(derived, images)
