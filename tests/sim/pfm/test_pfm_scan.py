from __future__ import annotations

import math

import numpy as np
import pytest

from probeline.core.errors import CommandRejected, LimitError
from probeline.sim.pfm.imaging import LAG
from probeline.sim.pfm.raster import LINE_TIME, OVERSCAN, Raster


def channel(result, name):
    return result["data"][result["channels"].index(name)]


@pytest.mark.parametrize("slow", ["up", "down"])
@pytest.mark.parametrize("degrees", [0.0, 37.0, -90.0])
def test_landmark_lies_in_the_right_pixel(make_driver, frame, degrees, slow):
    driver = make_driver(seed=2, family="c180", drift=0.0, noise=0.0)
    x, y = 130e-9, 60e-9
    driver._pfm.surface = lambda u, v: (0 * u, 1e-10 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * 20e-9**2)))
    settings = {**frame, "center_x": 20e-9, "center_y": -10e-9, "height": 480e-9, "lines": 48}
    settings.update(angle=math.radians(degrees), slow=slow)
    result = driver.start_scan(settings).result()
    # Turn the landmark into the frame by hand: clockwise by the angle about the centre.
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    u = cos * (x - 20e-9) + sin * (y + 10e-9)
    v = -sin * (x - 20e-9) + cos * (y + 10e-9)
    row = (0.5 + (v if slow == "up" else -v) / 480e-9) * 48 - 0.5
    column = (0.5 + u / 640e-9) * 64 - 0.5
    background = driver._pfm.electrostatic(0.0) * driver._gain()
    for way in ("trace", "retrace"):
        image = np.hypot(channel(result, f"x_{way}") - background.real, channel(result, f"y_{way}") - background.imag)
        rows, columns = np.indices(image.shape)
        found = (rows * image).sum() / image.sum(), (columns * image).sum() / image.sum()
        assert found == pytest.approx((row, column), abs=0.01)


def test_constant_drift_shears_the_image_exactly(make_driver, frame):
    driver = make_driver(seed=2, family="c180", noise=0.0, tilt=0.0)
    velocity = np.array([0.3e-9, -0.2e-9])
    world = driver._pfm
    world.drift = lambda t: velocity.reshape(2, *np.ones(np.ndim(t), int)) * np.asarray(t)
    world.z_drift = lambda t: np.zeros((1, *np.shape(t)))
    world.surface = lambda x, y: (0.1 * np.asarray(x), np.zeros(np.shape(x)))
    result = driver.start_scan(frame).result()
    trace, retrace = channel(result, "height_trace"), channel(result, "height_retrace")
    per_line = np.diff(trace[:, 20])
    assert np.allclose(per_line, 0.1 * velocity[0] * LINE_TIME, rtol=1e-6, atol=0)
    # Between trace and retrace of a pixel the sample moves; the lag has opposite signs.
    later = 0.5 * LINE_TIME * (2 - 2 * (OVERSCAN + (1 - 2 * OVERSCAN) * (np.arange(64) + 0.5) / 64))
    tip_speed = 640e-9 / (0.5 * LINE_TIME * (1 - 2 * OVERSCAN))
    expected = 0.1 * velocity[0] * later + 0.1 * 2 * tip_speed * LAG
    assert np.allclose((retrace - trace)[7], expected, rtol=1e-6)


def test_pixel_times_leave_room_to_turn_round():
    raster = Raster(0.0, 0.0, 1e-6, 1e-6, 100, 10, 0.0, "up", 2.0)
    trace, retrace = raster.times(np.arange(10))
    assert trace[0, 0] == pytest.approx(OVERSCAN + 0.5 * raster.pixel_time)
    assert np.allclose(np.diff(trace[3]), raster.pixel_time)
    assert np.allclose(trace[3] - 6 + retrace[3] - 6, 2.0)
    assert retrace[9, 0] < 20


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"width": 5e-6}, LimitError, "corner"),
        ({"center_x": 1.9e-6}, LimitError, "corner"),
        ({"center_x": float("nan")}, LimitError, "center_x"),
        ({"center_x": "a"}, CommandRejected, "not a number"),
        ({"angle": None}, CommandRejected, "not a number"),
        ({"angle": float("inf")}, LimitError, "angle"),
        ({"pixels": 0}, LimitError, "pixels"),
        ({"pixels": 64.0}, LimitError, "pixels"),
        ({"line_time": 0.0}, LimitError, "line_time"),
        ({"slow": "left"}, CommandRejected, "slow"),
        ({"speed": 1.0}, CommandRejected, "speed"),
    ],
)
def test_impossible_frames_are_refused_before_anything_moves(make_driver, frame, change, error, word):
    driver = make_driver(seed=2, family="c180")
    before = driver.state()
    with pytest.raises(error, match=word):
        driver.start_scan({**frame, **change})
    assert driver.state() == before


def test_rotated_frame_may_not_stick_out(make_driver, frame):
    driver = make_driver(seed=2, family="c180")
    wide = {**frame, "width": 4e-6, "height": 4e-6}
    driver.start_scan(wide).abort()
    with pytest.raises(LimitError):
        driver.start_scan({**wide, "angle": 0.1})


def test_channels_agree_with_each_other(make_driver, frame):
    result = make_driver(seed=2).start_scan(frame).result()
    x, y = channel(result, "x_trace"), channel(result, "y_trace")
    assert np.allclose(channel(result, "amplitude_trace"), np.hypot(x, y))
    assert np.allclose(channel(result, "phase_trace"), np.arctan2(y, x))
    assert result["data"].shape == (12, 64, 64)
    assert np.isfinite(result["data"]).all()
    assert channel(result, "deflection_trace").mean() == pytest.approx(1.0, abs=1e-3)


def test_noise_is_that_of_the_severity(make_driver, frame):
    quiet = make_driver(seed=2, drift=0.0, noise=0.0)
    honest = make_driver(seed=2, drift=0.0)
    loud = make_driver(seed=2, drift=0.0, noise=3.0)
    truth, once, thrice = (channel(driver.start_scan(frame).result(), "x_trace") for driver in (quiet, honest, loud))
    # 0.1 pm sqrt(s) in the time of a pixel.
    expected = 0.1e-12 / np.sqrt(0.5 * LINE_TIME * (1 - 2 * OVERSCAN) / 64)
    assert (once - truth).std() == pytest.approx(expected, rel=0.05)
    assert np.allclose(thrice - truth, 3 * (once - truth), atol=1e-18)


def test_two_frames_have_different_noise_and_the_same_sample(make_driver, frame):
    driver = make_driver(seed=2, drift=0.0)
    first, second = (channel(driver.start_scan(frame).result(), "x_trace") for _ in range(2))
    assert not np.array_equal(first, second)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9


def test_tilt_is_seen_in_raw_height(make_driver, frame):
    driver = make_driver(seed=2, family="c180", drift=0.0, noise=0.0, tilt=10.0)
    height = channel(driver.start_scan(frame).result(), "height_trace")
    slope = driver._pfm.tip.slope
    assert np.polyfit(np.arange(64) * 10e-9, height.mean(axis=0), 1)[0] == pytest.approx(slope[0], abs=2e-3)
    assert np.polyfit(np.arange(64) * 10e-9, height.mean(axis=1), 1)[0] == pytest.approx(slope[1], abs=2e-3)
    level = make_driver(seed=2, family="c180", drift=0.0, noise=0.0, tilt=0.0)
    assert np.ptp(channel(level.start_scan(frame).result(), "height_trace")) < 2e-9


def test_aborted_frame_keeps_its_lines(make_driver, frame):
    driver = make_driver(seed=2)
    acquisition = driver.start_scan(frame)
    start = driver.clock()
    for first, block, _ in acquisition:
        assert block.shape == (12, 16, 64)
        if first == 16:
            driver.hold()
    result = acquisition.result()
    assert np.isfinite(result["data"][:, :32]).all()
    assert np.isnan(result["data"][:, 32:]).all()
    assert np.isnan(result["line_clock"][32:]).all()
    assert driver.clock() - start < 34
    driver.start_scan(frame).result()


def test_drift_severity_scales_the_drift(make_driver):
    near, far = make_driver(seed=2), make_driver(seed=2, drift=2.0)
    assert np.allclose(far._pfm.drift(1000.0), 2 * near._pfm.drift(1000.0))
