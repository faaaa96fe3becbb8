"""Where the pixels of a frame lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probeline.catalog.surveying import admissible_pixels, frame_coordinates
from probeline.core.envelope import Envelope
from probeline.core.errors import DataError

FRAME = {
    "center_x": 100.0, "center_y": -50.0, "width": 40.0, "height": 20.0, "pixels": 4, "lines": 2, "angle": 0.0,
    "slow": "up",
}  # fmt: skip


def test_pixel_centres_lie_half_a_pixel_inside():
    x, y = frame_coordinates(FRAME)
    np.testing.assert_allclose(x, [[85, 95, 105, 115]] * 2)
    np.testing.assert_allclose(y, [[-55] * 4, [-45] * 4])


def test_scanning_down_begins_at_the_top():
    _, y = frame_coordinates({**FRAME, "slow": "down"})
    np.testing.assert_allclose(y, [[-45] * 4, [-55] * 4])


@pytest.mark.parametrize("slow", ["up", "down"])
@pytest.mark.parametrize("angle", [0.0, 37.0, -90.0])
def test_turning_is_counter_clockwise_about_the_centre(angle, slow):
    plain = frame_coordinates({**FRAME, "slow": slow})
    turned = frame_coordinates({**FRAME, "slow": slow, "angle": angle})
    offset = (plain[0] - 100.0) + 1j * (plain[1] + 50.0)
    expected = offset * np.exp(1j * np.radians(angle))  # multiplication by exp(i a) turns counter-clockwise
    np.testing.assert_allclose(turned[0] - 100.0, expected.real, atol=1e-12)
    np.testing.assert_allclose(turned[1] + 50.0, expected.imag, atol=1e-12)


def test_a_quarter_turn_clockwise_points_lines_down():
    x, y = frame_coordinates({**FRAME, "angle": -90.0})
    np.testing.assert_allclose((x[0, 0], y[0, 0]), (95.0, -35.0))
    assert y[0, 1] < y[0, 0]


@given(
    st.floats(-180, 180), st.sampled_from(["up", "down"]), st.integers(1, 9), st.integers(1, 9),
    st.floats(1, 1e4), st.floats(1, 1e4),
)  # fmt: skip
def test_centre_and_spacing_do_not_depend_on_the_angle(angle, slow, pixels, lines, width, height):
    frame = {**FRAME, "angle": angle, "slow": slow, "pixels": pixels, "lines": lines, "width": width, "height": height}
    x, y = frame_coordinates(frame)
    assert x.shape == (lines, pixels)
    np.testing.assert_allclose([x.mean(), y.mean()], [100.0, -50.0], atol=1e-8)
    np.testing.assert_allclose(np.hypot(np.diff(x, axis=1), np.diff(y, axis=1)), width / pixels)
    np.testing.assert_allclose(np.hypot(np.diff(x, axis=0), np.diff(y, axis=0)), height / lines)


def test_a_missing_setting_is_named():
    with pytest.raises(DataError, match="lack angle, slow"):
        frame_coordinates({key: value for key, value in FRAME.items() if key not in ("slow", "angle")})


def test_pixels_outside_the_limits_are_not_admissible():
    x, y = frame_coordinates(FRAME)
    inside = admissible_pixels(x, y, Envelope(limits={"x": (90e-9, 1e-6)}))
    np.testing.assert_array_equal(inside, [[False, True, True, True]] * 2)
    inside = admissible_pixels(x, y, Envelope(limits={"y": (-1e-6, -50e-9)}))
    np.testing.assert_array_equal(inside, [[True] * 4, [False] * 4])
    assert admissible_pixels(x, y, Envelope()).all()
