"""The conformance suite finds what is broken, and our own back-ends pass it."""

from __future__ import annotations

import pytest

from probeline.core.envelope import Envelope
from probeline.core.errors import DataError
from probeline.core.paths import data_folder
from probeline.core.registry import BACKENDS
from probeline.devices.check import NotConforming, check_instrument
from probeline.devices.guard import Guard
from probeline.devices.hosted import host_process

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
