"""Nothing leaves the envelope, budgets bind, and stopping works while a call is stuck."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probeline.core.envelope import Envelope
from probeline.core.errors import (
    Busy,
    CommandRejected,
    DriverTimeout,
    LimitError,
    NotSupported,
    ProbelineError,
    RefusedError,
    SpecError,
    UnknownNameError,
)
from probeline.devices.guard import Guard
from probeline.devices.limits import corners

from .device_fakes import SIGNALS, FakeDriver

NARROW = Envelope(
    limits={"bias": (-3.0, 3.0), "x": (-4e-7, 4e-7), "y": (-5e-7, 5e-7), "drive_frequency": (2e3, 1e5)},
    max_step={"setpoint": 0.5, "x": 3e-7},
)
FRAME = {"center_x": 0.0, "center_y": 0.0, "width": 4e-7, "height": 4e-7, "pixels": 4, "lines": 4, "angle": 0.0,
         "slow": "up", "line_time": 0.5}  # fmt: skip


@pytest.fixture
def guard(fake):
    guarded = Guard(fake, NARROW, timeout=5.0)
    yield guarded
    guarded.close()


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ({"bias": 4.0}, LimitError, ["bias", "4", "-3 to 3 V", "envelope"]),
        ({"bias": math.nan}, LimitError, ["bias", "nan", "finite"]),
        ({"bias": math.inf}, LimitError, ["bias", "inf", "finite"]),
        ({"bias": "much"}, CommandRejected, ["bias", "much", "number"]),
        ({"bias": True}, CommandRejected, ["bias", "True", "number"]),
        ({"bias": 1.0, "setpoint": 9.0}, LimitError, ["setpoint", "9", "0 to 5 V"]),
        ({"setpoint": 2.0}, LimitError, ["step of setpoint", "1", "0.5 V", "smaller steps"]),
        ({"gain": 1.5}, LimitError, ["gain", "1.5", "whole"]),
        ({"feedback": 1.0}, CommandRejected, ["feedback", "true nor false"]),
        ({"mode": "turbo"}, CommandRejected, ["mode", "turbo", "slow, fast"]),
        ({"z": 1e-9}, CommandRejected, ["z", "read-only"]),
        ({"volume": 11}, CommandRejected, ["volume", "bias"]),
    ],
)
def test_a_wrong_set_is_refused_before_anything_is_sent(guard, fake, values, kind, words):
    with pytest.raises(kind) as refusal:
        guard.set_many(values)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
    assert fake.received == []


def test_what_is_allowed_arrives_unchanged(guard, fake):
    guard.set_many({"bias": -3.0, "feedback": False, "gain": 8, "mode": "fast"})
    assert fake.received == [("bias", -3.0), ("feedback", False), ("gain", 8), ("mode", "fast")]


def test_limits_are_described_as_the_envelope_leaves_them(guard):
    description = guard.describe()
    assert description["signals"]["bias"]["limits"] == (-3.0, 3.0)
    assert description["signals"]["setpoint"]["limits"] == (0.0, 5.0)
    assert description["scan_range"] == (-4e-7, 4e-7, -5e-7, 5e-7)


@pytest.mark.parametrize("xy", [(5e-7, 0.0), (0.0, -6e-7), (math.nan, 0.0), (0.0, math.inf), (3.5e-7, 0.0)])
def test_a_wrong_move_is_refused(guard, fake, xy):
    with pytest.raises(LimitError):
        guard.move(*xy)
    assert fake.received == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"center_x": 3e-7}, LimitError),
        ({"angle": math.pi / 4, "width": 7e-7, "height": 7e-7}, LimitError),
        ({"width": 9e-7}, LimitError),
        ({"width": -1e-7}, LimitError),
        ({"lines": 0}, LimitError),
        ({"lines": 2.5}, LimitError),
        ({"line_time": 0.0}, LimitError),
        ({"angle": math.nan}, LimitError),
        ({"slow": "left"}, CommandRejected),
        ({"speed": 1.0}, CommandRejected),
        ({"pixels": "many"}, CommandRejected),
    ],
)
def test_a_wrong_frame_is_refused(guard, fake, change, kind):
    with pytest.raises(kind):
        guard.start_scan({**FRAME, **change})
    assert fake.received == []


def test_a_square_of_edge_a_turned_by_45_degrees_reaches_a_over_root_2():
    turned = corners({**FRAME, "angle": math.pi / 4})
    assert max(x for x, _ in turned) == pytest.approx(4e-7 / math.sqrt(2))


def test_corners_turn_counter_clockwise():
    # +90 degrees carry the corner (+w/2, +h/2) to (-h/2, +w/2).
    turned = corners({**FRAME, "width": 2.0, "height": 4.0, "angle": math.pi / 2})
    assert turned[3] == pytest.approx((-2.0, 1.0))


def test_a_frame_that_fills_the_range_fits(guard):
    frame = guard.start_scan({**FRAME, "width": 8e-7, "height": 1e-6}).result()
    assert frame["data"].shape == (2, 4, 4)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"v_max": 3.5}, LimitError),
        ({"v_max": math.nan}, LimitError),
        ({"v_min": 1.0}, CommandRejected),
        ({"steps": 8.5}, LimitError),
        ({"cycles": 0}, LimitError),
        ({"step_time": -1.0}, LimitError),
        ({"v_max": "high"}, CommandRejected),
        ({}, LimitError),  # the default of 5 V is beyond this envelope
    ],
)
def test_a_wrong_spectrum_is_refused(guard, fake, settings, kind):
    with pytest.raises(kind):
        guard.start_spectrum("switching_loop", settings)
    assert fake.received == []


def test_an_unknown_spectrum_is_refused_with_the_nearest_name(guard):
    with pytest.raises(UnknownNameError, match="Did you mean 'switching_loop'"):
        guard.start_spectrum("switching_lop", {})


def test_what_was_spent_is_counted_once_and_readable(guard):
    guard.start_scan(FRAME).result()
    guard.start_spectrum("switching_loop", {"v_max": 2.0, "cycles": 3}).result()
    guard.move(1e-7, 0.0)
    spent = guard.get_many(["spent_seconds", "spent_pulses", "spent_spectra", "spent_frames", "bias"])
    # 4 lines of 0.5 s, 3 cycles of 8 steps of 10 ms, one move of 0.5 s
    assert spent["spent_seconds"] == pytest.approx(2.0 + 0.24 + 0.5)
    assert (spent["spent_pulses"], spent["spent_spectra"], spent["spent_frames"]) == (24, 1, 1)
    assert not guard.describe()["signals"]["spent_pulses"]["writable"]


def test_refused_requests_cost_nothing(guard):
    with pytest.raises(RefusedError):
        guard.start_spectrum("switching_loop", {})
    assert guard.get_many(["spent_spectra", "spent_pulses"]) == {"spent_spectra": 0, "spent_pulses": 0}


def test_a_budget_binds_beforehand(fake):
    guard = Guard(fake, Envelope(budgets={"pulses": 40, "seconds": 3.0}))
    guard.start_spectrum("switching_loop", {"cycles": 4}).result()
    with pytest.raises(LimitError, match="budget of pulses"):
        guard.start_spectrum("switching_loop", {"cycles": 2})
    with pytest.raises(LimitError, match="budget of seconds"):
        guard.start_scan({**FRAME, "lines": 20})
    with pytest.raises(LimitError, match="budget of seconds"):
        guard.wait(5.0)
    assert [name for name, _ in fake.received] == ["switching_loop"]
    guard.close()


def test_a_budget_ends_what_runs_longer_than_it_said(fake):
    guard = Guard(fake, Envelope(budgets={"seconds": 0.35}))
    frame = {key: value for key, value in FRAME.items() if key != "line_time"}
    acquisition = guard.start_scan({**frame, "lines": 50})  # 0.1 s each, unknown to the guard
    with pytest.raises(LimitError, match="budget of seconds"):
        acquisition.result()
    assert fake.clock() == pytest.approx(0.4)
    guard.park()  # safety never needs the budget
    guard.make_safe()
    assert fake.get_many(["tip"]) == {"tip": "withdrawn"}
    guard.close()


def test_a_budget_that_nothing_counts_is_refused(fake):
    with pytest.raises(SpecError, match="dose"):
        Guard(fake, Envelope(budgets={"dose": 1e6}))
    with pytest.raises(SpecError, match="pulses"):
        Guard(FakeDriver(("scan", "position")), Envelope(budgets={"pulses": 10}))


@pytest.mark.parametrize(
    ("limits", "words"), [({"bais": (0.0, 1.0)}, "bais"), ({"bias": (20.0, 30.0)}, "nothing is left")]
)
def test_an_envelope_that_cannot_be_meant_is_refused(fake, limits, words):
    with pytest.raises(SpecError, match=words):
        Guard(fake, Envelope(limits=limits))


def test_what_a_driver_cannot_do_is_not_supported():
    guard = Guard(FakeDriver(("scan",)), Envelope())
    for call in (guard.withdraw, guard.approach, guard.position, lambda: guard.move(0, 0)):
        with pytest.raises(NotSupported):
            call()
    guard.close()


def test_a_second_acquisition_is_busy(guard):
    acquisition = guard.start_scan(FRAME)
    with pytest.raises(Busy):
        guard.start_scan(FRAME)
    acquisition.abort()
    guard.start_scan(FRAME).result()


def test_a_stuck_call_times_out_and_stopping_still_works(fake):
    guard = Guard(fake, Envelope(), timeout=0.05)
    fake.stuck = threading.Event()
    with pytest.raises(DriverTimeout) as late:
        guard.get_many(["bias"])
    assert all(word in str(late.value) for word in ("fake", "get_many", "0.05 s"))
    with pytest.raises(DriverTimeout, match="earlier call"):
        guard.set_many({"bias": 1.0})
    assert guard.clock() == 0.0
    guard.hold()
    fake.stuck.set()
    guard.make_safe()
    assert fake.get_many(["tip"]) == {"tip": "withdrawn"}
    assert ("bias", 1.0) not in fake.received
    guard.close()


def test_an_acquisition_can_be_aborted_from_another_thread(guard, fake):
    fake.gate = threading.Semaphore(2)
    acquisition = guard.start_scan(FRAME)
    blocks = iter(acquisition)
    next(blocks)
    threading.Timer(0.01, acquisition.abort).start()
    assert len(list(blocks)) <= 2
    assert math.isnan(acquisition.result()["data"][0, -1, 0])


# A property: whatever is asked, in whatever order, only what is inside arrives.

NUMBER = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e-6, 1e-6), st.floats(-6, 6), st.just("x")
)
SET = st.tuples(st.just("set"), st.dictionaries(st.sampled_from([*SIGNALS, "none"]), NUMBER, max_size=3))
MOVE = st.tuples(st.just("move"), st.tuples(NUMBER, NUMBER))
SCAN = st.tuples(
    st.just("scan"),
    st.fixed_dictionaries(
        {"center_x": NUMBER, "center_y": NUMBER, "width": NUMBER, "height": NUMBER, "angle": NUMBER,
         "pixels": st.integers(-1, 3), "lines": st.integers(-1, 3), "slow": st.sampled_from(["up", "down", ""])}
    ),
)  # fmt: skip
# Counts stay small: an absurd one is legal as far as the envelope knows, and would fill the memory here.
COUNT = st.one_of(st.integers(-2, 9), st.floats(-2, 9), st.just(math.nan), st.just("x"))
LOOPS = st.tuples(
    st.just("loop"),
    st.fixed_dictionaries(
        {}, optional={"v_max": NUMBER, "step_time": NUMBER, "steps": COUNT, "cycles": COUNT, "none": NUMBER}
    ),
)


def _ask(guard, what, arguments):
    try:
        if what == "set":
            guard.set_many(arguments)
        elif what == "move":
            guard.move(*arguments)
        elif what == "scan":
            guard.start_scan(arguments).result()
        else:
            guard.start_spectrum("switching_loop", arguments).abort()
    except ProbelineError:
        return


def _inside(key, value):
    limits = {**{k: i["limits"] for k, i in SIGNALS.items() if "limits" in i}, **NARROW.limits}
    if key == "scan":
        return all(_inside("x", x) and _inside("y", y) for x, y in corners(value))
    if key == "switching_loop":
        counts = value["steps"], value["cycles"]
        return abs(value["v_max"]) <= 3.0 and all(type(count) is int and count >= 1 for count in counts)
    low, high = limits.get(key, (-math.inf, math.inf))
    slack = 1e-9 * (high - low) if key in ("x", "y") else 0.0
    return not isinstance(value, float) or low - slack <= value <= high + slack


@given(st.lists(st.one_of(SET, MOVE, SCAN, LOOPS), max_size=8))
def test_no_sequence_of_requests_leaves_the_envelope(requests):
    fake = FakeDriver()
    guard = Guard(fake, NARROW)
    for what, arguments in requests:
        _ask(guard, what, arguments)
    guard.close()
    assert all(_inside(key, value) for key, value in fake.received), fake.received
