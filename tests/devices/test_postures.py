"""A posture lasts: nothing that was asked for before it engages the tip after it."""

from __future__ import annotations

import threading

import pytest

from probeline.core.envelope import Envelope
from probeline.core.errors import Busy, CommandRejected, DriverTimeout
from probeline.devices import guard as guarding
from probeline.devices.guard import Guard
from probeline.devices.threads import CallThread

from .device_fakes import FakeDriver, SlowDriver

FRAME = {"center_x": 0.0, "center_y": 0.0, "width": 4e-7, "height": 4e-7, "pixels": 4, "lines": 4, "angle": 0.0,
         "slow": "up"}  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(guarding, "PATIENCE", 0.02)


@pytest.fixture
def slow():
    return SlowDriver()


@pytest.fixture
def approaching(slow):
    """A guard of which the driver is in the middle of an approach, and the future of that."""
    guard = Guard(slow, Envelope(), timeout=5.0)
    beside = CallThread("test")
    future = beside.submit(guard.approach)
    assert slow.begun.wait(10)
    yield guard, future
    slow.go.set()
    guard.close()
    beside.close()


@pytest.mark.parametrize("posture", ["park", "make_safe"])
def test_an_approach_that_cannot_be_stopped_is_followed_by_the_posture_again(approaching, slow, posture):
    guard, future = approaching
    getattr(guard, posture)()
    with pytest.raises(Busy, match="repeated"):
        guard.approach()
    with pytest.raises(Busy, match="repeated"):
        guard.get_many(["tip"])
    slow.go.set()
    future.result(10)
    guard._thread.settle(10)
    assert guard.get_many(["tip", "feedback"]) == {"tip": "withdrawn", "feedback": False}
    guard.approach()
    assert guard.get_many(["tip"]) == {"tip": "tracking"}


def test_what_was_asked_for_before_a_posture_is_called_off(slow):
    guard = Guard(slow, Envelope())
    slow.go.set()
    before = guard.bound(guard.approach)
    guard.make_safe()
    with pytest.raises(CommandRejected, match=r"approach was asked for before.*called off"):
        before()
    guard.bound(guard.approach)()
    assert slow.get_many(["tip"]) == {"tip": "tracking"}
    guard.close()


def test_a_posture_that_cannot_be_repeated_refuses_all_until_another_succeeds(approaching, slow):
    guard, future = approaching
    guard.make_safe()
    slow.withdraw = _refuse
    slow.go.set()
    future.result(10)
    with pytest.raises(CommandRejected, match="retract refused"):
        guard._thread.settle(10)
    with pytest.raises(CommandRejected, match=r"could not be repeated.*retract refused"):
        guard.move(0.0, 0.0)
    del slow.withdraw
    guard.make_safe()
    assert guard.get_many(["tip"]) == {"tip": "withdrawn"}


def _refuse():
    raise CommandRejected("retract refused")


def test_closing_waits_for_the_posture_that_is_owed(approaching, slow):
    guard, _ = approaching
    guard.make_safe()
    threading.Timer(0.05, slow.go.set).start()
    guard.close()
    assert slow.ended == ["withdrawn"]


def test_a_posture_is_tried_although_hold_fails(fake):
    held = fake.hold
    errors = [OSError("nothing to stop")]

    def hold():
        if errors:
            raise errors.pop()
        held()

    fake.hold = hold
    guard = Guard(fake, Envelope())
    with pytest.raises(OSError, match="nothing to stop"):
        guard.make_safe()
    assert fake.get_many(["tip"]) == {"tip": "withdrawn"}
    errors.append(OSError("nothing to stop"))
    fake.withdraw = _refuse
    with pytest.raises(CommandRejected, match="retract refused") as failure:
        guard.park()
    assert isinstance(failure.value.__context__, OSError)
    guard.close()


def test_a_posture_acts_although_hold_hangs(fake):
    guard = Guard(fake, Envelope(), timeout=0.05)
    release, held = threading.Event(), fake.hold
    hanging = [release]

    def hold():
        if hanging:
            hanging.pop().wait(30)
        held()

    fake.hold = hold
    with pytest.raises(DriverTimeout, match="hold"):
        guard.make_safe()
    assert fake.get_many(["tip"]) == {"tip": "withdrawn"}
    release.set()
    guard.close()


def test_nothing_else_begins_while_a_late_posture_still_acts(fake):
    guard = Guard(fake, Envelope(), timeout=0.05)
    go, act = threading.Event(), fake.make_safe

    def make_safe():
        go.wait(30)
        act()

    fake.make_safe = make_safe
    with pytest.raises(DriverTimeout, match="make_safe"):
        guard.make_safe()
    with pytest.raises(DriverTimeout, match="has not returned"):
        guard.set_many({"gain": 2})
    go.set()
    fake.make_safe = act
    guard._postures.call("make_safe", 10, guard._act, act)
    assert fake.get_many(["tip", "gain"]) == {"tip": "withdrawn", "gain": 1}
    assert ("gain", 2) not in fake.received
    guard.close()


def test_a_posture_ends_an_acquisition_like_an_abort(fake):
    guard = Guard(fake, Envelope())
    acquisition = guard.start_scan({**FRAME, "lines": 64})
    blocks = iter(acquisition)
    next(blocks)
    guard.park()
    assert list(blocks) == []
    assert acquisition.result()["data"].shape == (2, 64, 4)
    guard.close()


def test_tracking_is_one_action(spm):
    """Its question had been asked when the posture came; the approach that would follow is not made."""
    fake: FakeDriver = spm.fake
    fake.withdraw()
    ask, asking, answer = fake.get_many, threading.Event(), threading.Event()

    def get_many(keys):
        asking.set()
        answer.wait(30)
        return ask(keys)

    fake.get_many = get_many
    status = spm.posture.set("track")
    assert asking.wait(10)
    queued = spm.z.approach()
    spm.make_safe().wait(10)
    answer.set()
    for late in (status, queued):
        with pytest.raises((CommandRejected, Busy)):
            late.wait(10)
    assert ask(["tip"]) == {"tip": "withdrawn"}


def test_a_start_that_does_not_answer_is_counted(fake):
    guard = Guard(fake, Envelope(), timeout=0.05)
    start, go = fake.start_spectrum, threading.Event()

    def late(kind, settings):
        go.wait(30)
        return start(kind, settings)

    fake.start_spectrum = late
    with pytest.raises(DriverTimeout):
        guard.start_spectrum("switching_loop", {"cycles": 3})
    assert guard.get_many(["spent_pulses", "spent_spectra"]) == {"spent_pulses": 24, "spent_spectra": 1}
    go.set()
    guard.close()


def test_a_start_that_is_answered_with_no_costs_nothing(fake):
    guard = Guard(fake, Envelope())
    acquisition = guard.start_scan(FRAME)
    with pytest.raises(Busy):
        guard.start_spectrum("switching_loop", {})
    with pytest.raises(Busy):
        guard.start_scan(FRAME)
    acquisition.abort()
    spent = guard.get_many(["spent_pulses", "spent_spectra", "spent_frames"])
    assert spent == {"spent_pulses": 0, "spent_spectra": 0, "spent_frames": 1}
    guard.close()
