from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import probeline
from probeline.core.errors import (
    Busy,
    CommandRejected,
    LimitError,
    NotSupported,
    ProbelineError,
    SpecError,
    UnknownNameError,
)
from probeline.devices.check import check_instrument
from probeline.devices.drivers import FeedbackDriver, PositionDriver, ScanDriver, SpectroscopyDriver
from probeline.devices.instrument_file import parse_instrument
from probeline.sim.pfm.backend import arguments, default_instrument, open_driver
from probeline.sim.pfm.driver import SCAN_RANGE, Z_LIMIT, PFMDriver
from probeline.sim.pfm.loops import polygon_area
from probeline.sim.pfm.truth import PFMTruth, open_truth


def piezoresponse(spectrum, phase):
    x, y = spectrum["data"]
    return x * np.cos(phase) + y * np.sin(phase)


def test_fills_the_protocols_and_describes_itself(make_driver):
    driver = make_driver(seed=2)
    for protocol in (ScanDriver, PositionDriver, SpectroscopyDriver, FeedbackDriver):
        assert isinstance(driver, protocol)
    description = driver.describe()
    assert json.loads(json.dumps(description))["mode"] == "contact_pfm"
    assert set(driver.get_many(list(description["signals"]))) == set(description["signals"])
    assert description["virtual_clock"]
    assert description == driver.describe()


def test_keeps_every_promise_of_a_driver(make_world):
    check_instrument(lambda: PFMDriver(make_world(seed=2))).require()


def test_clock_is_the_sum_of_its_parts(make_world, frame):
    driver = PFMDriver(make_world(seed=2))
    assert driver.clock() == 0
    driver.approach()
    assert driver.clock() == 20
    driver.move(1e-6, 0.0)
    assert driver.clock() == 20 + 0.7
    driver.move(1e-6, -2e-6)
    assert driver.clock() == pytest.approx(20.7 + 0.7, abs=1e-12)
    driver.move(-2e-6, 2e-6)
    # 5 um at 10 um/s, and settling.
    assert driver.clock() == pytest.approx(21.4 + 0.5 + 0.5, abs=1e-12)
    driver.start_spectrum("switching_loop", {}).result()
    # 2 cycles of 64 steps with and without bias of 4 ms, and 0.3 s to arm.
    assert driver.clock() == pytest.approx(22.4 + 0.3 + 2 * 64 * 2 * 0.004, abs=1e-12)
    driver.move(0.0, 0.0)
    before = driver.clock()
    result = driver.start_scan(frame).result()
    # Move to the first pixel, 64 lines of 1 s, flyback.
    assert driver.clock() == pytest.approx(before + 0.7 + 64 + 1, abs=1e-9)
    assert result["line_clock"] == pytest.approx(before + 0.7 + np.arange(1, 65), abs=1e-9)
    assert driver.position() == (0.0, 0.0)
    before = driver.clock()
    driver.withdraw()
    driver.withdraw()
    assert driver.clock() == before + 2
    driver.wait(7.0)
    assert driver.clock() == before + 9


def test_line_time_is_a_setting(make_driver, frame):
    driver = make_driver(seed=2)
    before = driver.clock()
    result = driver.start_scan({**frame, "lines": 10, "line_time": 0.25}).result()
    assert result["line_clock"][-1] - result["line_clock"][0] == pytest.approx(9 * 0.25)
    assert driver.clock() == pytest.approx(before + 0.7 + 2.5 + 1)


@pytest.mark.parametrize("acquire", ["start_scan", "start_spectrum"])
def test_contact_is_required(make_world, frame, acquire):
    driver = PFMDriver(make_world(seed=2))
    arguments_ = (frame,) if acquire == "start_scan" else ("switching_loop", {})
    with pytest.raises(CommandRejected, match=r"approach\(\)"):
        getattr(driver, acquire)(*arguments_)
    driver.approach()
    driver.set_feedback(False)
    with pytest.raises(CommandRejected, match="set_feedback"):
        getattr(driver, acquire)(*arguments_)
    driver.set_many({"feedback": True})
    getattr(driver, acquire)(*arguments_).abort()


def test_feedback_needs_contact_and_holds_z_when_opened(make_world):
    driver = PFMDriver(make_world(seed=2))
    with pytest.raises(CommandRejected, match="approach"):
        driver.set_feedback(True)
    driver.approach()
    tracked = driver.get_many(["z"])["z"]
    driver.set_feedback(False)
    driver.wait(500.0)
    assert driver.get_many(["z", "tip"]) == {"z": tracked, "tip": "open"}
    driver.set_feedback(True)
    assert driver.get_many(["z"])["z"] != tracked
    driver.withdraw()
    assert driver.get_many(["z", "feedback", "tip"]) == {
        "z": Z_LIMIT,
        "feedback": False,
        "tip": "withdrawn",
    }


def test_make_safe_switches_off_before_it_lifts(make_driver):
    seen = []

    class Watched(PFMDriver):
        def withdraw(self):
            seen.append(self.get_many(["drive_amplitude", "bias", "tip"]))
            super().withdraw()

    driver = Watched(make_driver(seed=2)._pfm)
    driver.approach()
    driver.set_many({"bias": 0.5})
    acquisition = driver.start_spectrum("switching_loop", {})
    driver.make_safe()
    assert seen == [{"drive_amplitude": 0.0, "bias": 0.0, "tip": "tracking"}]
    assert not acquisition.running
    assert driver.get_many(["tip"]) == {"tip": "withdrawn"}
    before = driver.clock()
    driver.make_safe()
    assert driver.clock() == before


def test_park_lifts_with_the_drive_on_and_hold_keeps_tracking(make_driver, frame):
    driver = make_driver(seed=2)
    driver.start_scan(frame)
    driver.hold()
    assert driver.get_many(["tip"]) == {"tip": "tracking"}
    driver.start_scan(frame)
    driver.park()
    driver.park()
    assert driver.get_many(["tip", "drive_amplitude"]) == {"tip": "withdrawn", "drive_amplitude": 1.0}


def test_busy_is_an_error(make_driver, frame):
    driver = make_driver(seed=2)
    driver.start_scan(frame)
    for command in (
        lambda: driver.start_scan(frame),
        lambda: driver.start_spectrum("switching_loop", {}),
        lambda: driver.move(0.0, 0.0),
        driver.withdraw,
    ):
        with pytest.raises(Busy):
            command()


@pytest.mark.parametrize("point", [(3e-6, 0.0), (0.0, -2.1e-6), (float("nan"), 0.0)])
def test_moves_out_of_range_are_refused(make_driver, point):
    driver = make_driver(seed=2)
    with pytest.raises(LimitError, match="scan range"):
        driver.move(*point)
    assert driver.position() == (0.0, 0.0)


def test_values_out_of_range_are_refused(make_driver):
    driver = make_driver(seed=2)
    with pytest.raises(LimitError, match="bias"):
        driver.set_many({"bias": 10.5})
    with pytest.raises(CommandRejected, match="not a number"):
        driver.move("a", 0.0)


def test_a_bias_that_would_pole_the_film_is_not_held_in_contact(make_world):
    driver = PFMDriver(make_world(seed=2))
    driver.set_many({"bias": 5.0})
    with pytest.raises(CommandRejected, match="pole"):
        driver.approach()
    driver.set_many({"bias": 1.0})
    driver.approach()
    with pytest.raises(CommandRejected, match="pole"):
        driver.set_many({"drive_amplitude": 2.0, "bias": -1.5})
    assert driver.get_many(["bias", "drive_amplitude", "tip"]) == {
        "bias": 1.0, "drive_amplitude": 1.0, "tip": "tracking",
    }  # fmt: skip


def test_nothing_changes_under_a_running_acquisition(make_driver, frame):
    driver = make_driver(seed=2)
    acquisition = driver.start_scan(frame)
    for change in (lambda: driver.set_many({"bias": 0.5}), lambda: driver.set_feedback(False)):
        with pytest.raises(Busy):
            change()
    assert np.isfinite(acquisition.result()["data"]).all()


def test_values_are_set_all_or_none(make_world):
    driver = PFMDriver(make_world(seed=2))
    with pytest.raises(CommandRejected, match="approach"):
        driver.set_many({"bias": 0.5, "feedback": True})
    assert driver.get_many(["bias"]) == {"bias": 0.0}


def test_a_loop_that_switches_nothing_leaves_nothing(make_driver):
    driver = make_driver(seed=2)
    world = driver._pfm
    loops, _ = world.loops(np.zeros(1), np.zeros(1), 1.0)
    assert min(abs(loops.v_plus[0]), abs(loops.v_minus[0])) > 1.5
    driver.start_spectrum("switching_loop", {"v_max": 0.5}).result()
    assert world.acts == []
    driver.start_spectrum("switching_loop", {}).result()
    assert [act["kind"] for act in world.acts] == ["domain"]


def test_loop_without_bias_agrees_with_the_image(make_driver):
    """At 0 V, before anything switched, the off-field response is that of the image."""
    driver = make_driver(seed=2, noise=0.0, drift=0.0)
    x, y = driver.position()
    _, response = driver._pfm.surface(x, y)
    excitation = driver._gain() * (response + driver._pfm.electrostatic(0.0))
    spectrum = driver.start_spectrum("switching_loop", {"cycles": 1}).result()
    start = spectrum["data"][:, 0, 0, 0]
    assert np.allclose(start, [excitation.real, excitation.imag], rtol=0.02, atol=0.2e-12)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"v_max": 10.5}, LimitError),
        ({"v_max": float("nan")}, LimitError),
        ({"steps": 63}, LimitError),
        ({"steps": 64.5}, LimitError),
        ({"cycles": 0}, LimitError),
        ({"step_time": 0.0}, LimitError),
        ({"step_time": "long"}, CommandRejected),
        ({"pulse": 1.0}, CommandRejected),
    ],
)
def test_impossible_loops_are_refused_before_anything_happens(make_driver, settings, error):
    driver = make_driver(seed=2)
    before = driver.state()
    with pytest.raises(error):
        driver.start_spectrum("switching_loop", settings)
    assert driver.state() == before


def test_only_switching_loops_are_measured(make_driver):
    with pytest.raises(NotSupported, match="switching_loop"):
        make_driver(seed=2).start_spectrum("force_curve", {})


def test_loop_without_noise_is_the_truth(make_driver):
    driver = make_driver(seed=2, drift=0.0, noise=0.0)
    truth = PFMTruth(driver._pfm, driver.get_many(["drive_amplitude", "drive_frequency", "setpoint"]))
    driver.set_many({"phase_offset": truth.phase})
    driver.move(200e-9, -300e-9)
    expected = truth.maps(200e-9, -300e-9)
    spectrum = driver.start_spectrum("switching_loop", {}).result()
    assert spectrum["dims"] == ["channel", "cycle", "field", "bias"]
    assert spectrum["data"].shape == (2, 2, 2, 64)
    assert spectrum["coords"]["field"] == ["off", "on"]
    assert spectrum["provenance"]["phase_offset"] == truth.phase
    response = piezoresponse(spectrum, spectrum["provenance"]["phase_offset"])
    bias = np.array(spectrum["coords"]["bias"])
    assert polygon_area(bias, response[-1, 0]) == pytest.approx(float(expected["area"]), rel=1e-9)
    assert np.ptp(response[-1, 0]) == pytest.approx(float(expected["height"]), rel=1e-9)
    # With bias on there is an electrostatic line on top; it encloses nothing.
    on_field = response[-1, 1] - response[-1, 0]
    assert np.allclose(np.diff(on_field, 2)[18:46], 0, atol=1e-18)
    assert on_field[16] > on_field[48]


def test_noise_of_a_loop_falls_with_the_root_of_the_step_time(make_driver):
    spread = []
    for step_time in (0.001, 0.016):
        loops = [make_driver(seed=2, drift=0.0, noise=noise) for noise in (0.0, 1.0)]
        quiet, loud = (
            driver.start_spectrum("switching_loop", {"step_time": step_time, "cycles": 8}).result()["data"]
            for driver in loops
        )
        spread.append((loud - quiet).std())
    assert spread[0] / spread[1] == pytest.approx(4, rel=0.1)
    assert spread[0] == pytest.approx(0.1e-12 / np.sqrt(0.001), rel=0.1)


def test_loop_leaves_a_domain_that_the_next_frame_shows(make_driver, frame):
    driver = make_driver(seed=2, family="c180", drift=0.0, noise=0.0)
    phase = np.angle(driver._pfm.tip.gain(1.0, 50e3, 1.0))
    small = {**frame, "width": 320e-9, "height": 320e-9}

    def image():
        data = driver.start_scan(small).result()["data"]
        return data[2] * np.cos(phase) + data[4] * np.sin(phase)

    grid = np.linspace(-1e-6, 1e-6, 40)
    _, response = driver._pfm.surface(*np.meshgrid(grid, grid))
    row, column = np.unravel_index(np.argmax(response), response.shape)
    small.update(center_x=float(grid[column]), center_y=float(grid[row]))
    before = image()
    driver.move(small["center_x"], small["center_y"])
    driver.start_spectrum("switching_loop", {}).result()
    after = image()
    assert len(driver.state()["acts"]) == 1
    assert before[32, 32] > 0 > after[32, 32]
    # The loop ends after negative bias: a disc of 40 nm radius points down now.
    flipped = np.sum((before > 0) & (after < 0)) * 5e-9**2
    assert flipped == pytest.approx(np.pi * driver.state()["acts"][0]["radius"] ** 2, rel=0.1)
    again = driver.start_spectrum("switching_loop", {}).result()
    assert piezoresponse(again, phase)[0, 0, 0] < 0


def test_aborted_loop_has_written_too(make_driver):
    driver = make_driver(seed=2)
    acquisition = driver.start_spectrum("switching_loop", {"cycles": 5})
    next(iter(acquisition))
    acquisition.abort()
    result = acquisition.result()
    assert np.isfinite(result["data"][:, 0]).all()
    assert np.isnan(result["data"][:, 1:]).all()
    assert len(driver.state()["acts"]) == 1


def use(driver, frame):
    driver.move(100e-9, 50e-9)
    loop = driver.start_spectrum("switching_loop", {}).result()["data"]
    image = driver.start_scan({**frame, "lines": 20}).result()["data"]
    return loop, image


def test_same_seed_same_bits_and_another_seed_others(make_driver, frame):
    first, second = (use(make_driver(seed=2), frame) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    other = use(make_driver(seed=6), frame)
    assert not np.array_equal(first[0], other[0])


def test_reopened_at_a_state_it_goes_on_with_the_same_bits(make_driver, frame):
    driver = make_driver(seed=2)
    driver.set_many({"setpoint": 0.8, "bias": 0.3, "phase_offset": 1.0})
    use(driver, frame)
    state = json.loads(json.dumps(driver.state()))
    again = open_driver("", {"seed": 2, "state": state})
    assert again.state() == driver.state()
    for measured, repeated in zip(use(driver, frame), use(again, frame), strict=True):
        assert np.array_equal(measured, repeated)
    assert again.state() == driver.state()


def test_reading_changes_nothing(make_driver, frame):
    calm, watched = make_driver(seed=2), make_driver(seed=2)
    for _ in range(20):
        watched.get_many(["z", "deflection", "tip"])
        watched.describe()
        watched.state()
    assert watched.state() == calm.state()
    assert np.array_equal(use(watched, frame)[1], use(calm, frame)[1])


def test_a_paced_twin_gives_the_same_bits(make_world, make_driver, frame):
    paced = PFMDriver(make_world(seed=2, pace=1e9))
    paced.approach()
    assert not paced.describe()["virtual_clock"]
    for measured, repeated in zip(use(paced, frame), use(make_driver(seed=2), frame), strict=True):
        assert np.array_equal(measured, repeated)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"sed": 1}, "sed"),
        ({"seed": -1}, "seed"),
        ({"family": "mica"}, "family"),
        ({"drift": -1.0}, "drift"),
        ({"noise": float("inf")}, "noise"),
        ({"pace": 0}, "pace"),
    ],
)
def test_wrong_options_are_named(options, word):
    with pytest.raises(SpecError, match=word):
        open_driver("", options)


def test_backend_names_its_argument_and_its_instrument():
    assert arguments() == [""]
    with pytest.raises(UnknownNameError):
        open_driver("copper", {})
    spec = parse_instrument(default_instrument("", {"seed": 4, "family": "c180"}), "test")
    assert spec.spectrum == "switching_loop"
    assert spec.options == {"seed": 4, "family": "c180"}
    assert spec.envelope.limits["x"] == SCAN_RANGE[:2]
    pixel = spec.survey.size_nm / spec.survey.pixels
    assert spec.survey.patch_nm / pixel == pytest.approx(15, abs=0.1)


def test_truth_opens_like_the_instrument(make_driver):
    truth = open_truth({"seed": 2})
    driver = make_driver(seed=2)
    assert np.array_equal(truth.drift(1234.0), driver._pfm.drift(1234.0))
    grid = np.linspace(-0.5e-6, 0.5e-6, 5)
    maps = truth.maps(*np.meshgrid(grid, grid))
    assert maps["area"].shape == (5, 5)
    # Some 30 to 60 pm/V of response times 2 and some 5 to 7 V of width, in c domains.
    assert 100e-12 < maps["area"].max() < 1000e-12


def test_nobody_who_chooses_or_measures_reads_the_truth():
    root = Path(probeline.__file__).parent
    for folder in ("devices", "plans", "agents", "catalog"):
        for path in (root / folder).rglob("*.py"):
            assert not re.search(r"[tT]ruth\(|\._pfm\b|\._world\b", path.read_text()), f"{path} reads the truth"


@pytest.mark.parametrize(
    "change",
    [
        {"time": "abc"}, {"time": float("nan")}, {"time": -5.0}, {"exposures": -3}, {"acts": 5}, {"acts": [{}]},
        {"position": 5}, {"position": [1.0, 1.0]}, {"values": 3}, {"values": {"bias": 1e9}},
        {"values": {"tip": "flying"}}, {"values": {"no_such": 1.0}}, {"seed": 9}, {"family": "c180"}, {"more": 1},
        {"values": {"bias": 5.0, "tip": "tracking", "feedback": True}},
    ],
)  # fmt: skip
def test_a_state_that_cannot_be_is_refused(change):
    state = open_driver("", {"seed": 2}).state()
    reopened = open_driver("", {"seed": 2, "state": json.loads(json.dumps(state))})
    assert reopened.state() == state
    with pytest.raises(ProbelineError):
        open_driver("", {"seed": 2, "state": {**state, **change}})
