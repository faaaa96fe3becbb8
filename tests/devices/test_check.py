"""The conformance suite finds what is broken, and our own back-ends pass it."""

from __future__ import annotations

import re

import pytest

from probeline.core.envelope import Envelope
from probeline.core.errors import DataError, NotSupported
from probeline.core.paths import data_folder
from probeline.core.registry import BACKENDS
from probeline.core.rng import generator
from probeline.devices.check import NotConforming, check_instrument
from probeline.devices.guard import Guard
from probeline.devices.hosted import host_process
from probeline.sim.pfm.driver import PFMDriver
from probeline.sim.pfm.world import PFMWorld

from .device_fakes import FakeDriver


def _opened(backend, argument, options):
    return lambda: BACKENDS.load(backend).open_driver(argument, options)


def test_the_pfm_twin_conforms():
    check_instrument(_opened("sim-pfm", "", {"seed": 0})).require()


def test_the_pfm_twin_conforms_in_a_process_of_its_own_and_guarded():
    check_instrument(lambda: Guard(host_process("sim-pfm", "", {"seed": 0}), Envelope())).require()


@pytest.mark.parametrize("name", ["beacon-dkl", "stem-eds-particles", "beps-pto-50x50"])
def test_replays_conform(name):
    try:
        data_folder(name)
    except DataError as absent:
        pytest.skip(str(absent))
    check_instrument(lambda: Guard(_opened("replay", name, {})(), Envelope())).require()


def test_an_open_driver_stays_open():
    driver = Guard(FakeDriver(), Envelope())
    report = check_instrument(driver)
    assert report.ok, str(report)
    assert driver.get_many(["bias"]) == {"bias": 0.0}
    driver.close()


class Clipping(FakeDriver):
    def set_many(self, values):
        self._apply({key: min(value, 10.0) if key == "bias" else value for key, value in values.items()})


class Queueing(FakeDriver):
    def _begin(self, acquisition):
        return acquisition


class BackToFront(FakeDriver):
    def get_many(self, keys):
        return dict(reversed(super().get_many(keys).items()))


class Amnesiac(FakeDriver):
    def describe(self):
        return {key: value for key, value in super().describe().items() if key != "serial"}


class Upside(FakeDriver):
    def start_scan(self, settings):
        acquisition = super().start_scan(settings)
        finish = acquisition._finish
        acquisition._finish = lambda data, clocks: {**finish(data, clocks), "channels": ["phase", "height"]}
        return acquisition


class Idle(PFMDriver):
    """Its postures do nothing but end what runs: the tip tracks on, the drive stays on."""

    def withdraw(self):
        pass

    def park(self):
        self.hold()

    def make_safe(self):
        self.hold()


class Tracking(PFMDriver):
    def withdraw(self):
        super().withdraw()
        self._values["feedback"] = True


class Biased(PFMDriver):
    def make_safe(self):
        self.hold()
        self.set_many({"drive_amplitude": 0.0})
        self.withdraw()


class Driven(PFMDriver):
    def make_safe(self):
        self.hold()
        self.set_many({"bias": 0.0})
        self.withdraw()


class HalfWay(PFMDriver):
    def withdraw(self):
        super().withdraw()
        self._values["z"] = 0.0


class Eager(PFMDriver):
    def hold(self):
        super().hold()
        if self._values["tip"] == "tracking":
            PFMDriver.withdraw(self)


class Lazy(PFMDriver):
    """Its park works unless a frame runs."""

    def park(self):
        ran = self._acquisition is not None and self._acquisition.running
        self.hold()
        if not ran:
            self.withdraw()


class Mirrored(PFMDriver):
    def move(self, x, y):
        super().move(-x, y)


class Exchanged(PFMDriver):
    def move(self, x, y):
        super().move(y, x)


class FrameMirrored(PFMDriver):
    def start_scan(self, settings):
        return super().start_scan({**settings, "center_y": -settings["center_y"]})


class FrameExchanged(PFMDriver):
    def start_scan(self, settings):
        return super().start_scan({**settings, "center_x": settings["center_y"], "center_y": settings["center_x"]})


class FrameStuck(PFMDriver):
    def start_scan(self, settings):
        return super().start_scan({**settings, "center_x": 0.0, "center_y": 0.0})


class Upwards(PFMDriver):
    def start_scan(self, settings):
        return super().start_scan({**settings, "slow": "up"})


class SameFrame(FakeDriver):
    def start_scan(self, settings):
        return super().start_scan({**settings, "center_x": 0.0, "center_y": 0.0})


WHAT = "hold nothing but the beam changed"
PLACE = "as the centre says"


@pytest.mark.parametrize(
    ("broken", "found", "detail"),
    [
        (Idle, WHAT, "after park feedback is True"),
        (Idle, "called twice", "after park feedback is True"),
        (Idle, "while a frame runs", "after park feedback is True"),
        (Idle, "withdraw()", "after withdraw feedback is True"),
        (Tracking, "withdraw()", "after withdraw feedback is True"),
        (Biased, WHAT, "after make_safe bias is 0.01, not 0"),
        (Driven, WHAT, "after make_safe drive_amplitude is 1.0, not 0"),
        (HalfWay, "withdraw()", "z = 0.0 m is not at a limit"),
        (HalfWay, WHAT, "after make_safe z = 0.0 m"),
        (Lazy, "while a frame runs", "after park feedback is True"),
        (Eager, WHAT, "hold changed {'feedback': False}"),
        (Mirrored, "goes where it is told", "told to go to"),
        (Exchanged, "goes where it is told", "told to go to"),
        (Upwards, "rows in opposite order", "scanned down is not the one"),
        (FrameMirrored, PLACE, "with y mirrored"),
        (FrameExchanged, PLACE, "with x and y exchanged"),
        (FrameStuck, PLACE, "is the same frame|as if it had not moved"),
    ],
)
def test_a_twin_that_misplaces_or_does_nothing_is_found(broken, found, detail):
    """Broken copies of the PFM twin; whatever else is found, this promise is among it."""
    report = check_instrument(broken(PFMWorld(0)))
    problems = [problem for problem in report.problems if found in problem.name]
    assert problems, str(report)
    assert re.search(detail, problems[0].detail), str(report)


class Beam(FakeDriver):
    """A beam whose posture ``forgets`` leaves it on the sample."""

    def __init__(self, forgets):
        super().__init__(("scan", "position", "spectroscopy"))
        self._signals = {"blanked": {"unit": "", "writable": True, "dtype": "boolean"}}
        self._values = {"blanked": True}
        self._forgets = forgets

    def _blank(self, posture):
        FakeDriver.hold(self)
        if posture != self._forgets:
            self._values["blanked"] = True

    def hold(self):
        self._blank("hold")

    def park(self):
        self._blank("park")

    def make_safe(self):
        self._blank("make_safe")

    def set_feedback(self, on):
        raise NotSupported("a beam has no feedback")

    def withdraw(self):
        raise NotSupported("a beam has no tip")

    approach = withdraw


@pytest.mark.parametrize("posture", ["hold", "park", "make_safe"])
def test_a_beam_that_stays_on_the_sample_is_found(posture):
    details = {problem.name: problem.detail for problem in check_instrument(Beam(posture)).problems}
    assert f"after {posture} blanked is False, not True" in details.values()
    assert "while a frame runs" in next(reversed(details))


def test_a_beam_that_is_blanked_conforms():
    check_instrument(lambda: Guard(Beam("nothing"), Envelope())).require()


def test_frames_of_noise_or_of_nothing_say_nothing_about_their_place():
    """Constant frames, and frames that are other noise each time, pass at any place."""

    class Constant(SameFrame):
        def start_scan(self, settings):
            acquisition = super().start_scan(settings)
            blocks = acquisition._blocks
            acquisition._blocks = ((line, 0 * block, clock) for line, block, clock in blocks)
            return acquisition

    class Noise(SameFrame):
        rng = generator(0, "noise")

        def start_scan(self, settings):
            acquisition = super().start_scan(settings)
            blocks = acquisition._blocks
            acquisition._blocks = ((line, self.rng.normal(size=block.shape), clock) for line, block, clock in blocks)
            return acquisition

    for driver in (Constant, Noise):
        check_instrument(lambda driver=driver: Guard(driver(), Envelope())).require()
    report = check_instrument(lambda: Guard(SameFrame(), Envelope()))
    assert [problem.detail for problem in report.problems] == ["a frame with another centre is the same frame"]


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (Clipping, "refused"),
        (Queueing, "Busy"),
        (BackToFront, "reads as its type"),
        (Amnesiac, "every key"),
        (Upside, "declared channels"),
    ],
)
def test_a_broken_promise_is_found(broken, found):
    report = check_instrument(broken())
    assert any(found in problem.name for problem in report.problems), str(report)
    with pytest.raises(NotConforming, match=found):
        report.require()
