import numpy as np
import pytest

from probeline.core.errors import CommandRejected, LimitError, NotSupported
from probeline.devices import drivers
from probeline.sim.replay.driver import ReplayDriver

FRAME = {
    "center_x": 0.0, "center_y": 0.0, "width": 240e-9, "height": 240e-9,
    "pixels": 8, "lines": 8, "angle": 0.0, "slow": "up",
}  # fmt: skip


@pytest.fixture
def beam(make):
    return ReplayDriver(make("stem"))


def blanked(driver):
    return driver.get_many(["blanked"])["blanked"]


def test_beam_is_unblanked_only_while_it_dwells(beam, monkeypatch):
    beam.park()
    assert blanked(beam)
    during = []
    advance = beam._world.advance
    monkeypatch.setattr(beam._world, "advance", lambda s: (during.append(blanked(beam)), advance(s)))
    for start in (lambda: beam.start_scan(FRAME), lambda: beam.start_spectrum("eds", {})):
        acquisition = start()
        assert blanked(beam)
        for _ in acquisition:
            assert blanked(beam)
        assert blanked(beam)
    assert during == [False] * (FRAME["lines"] + 1)


@pytest.mark.parametrize("posture", ["hold", "park", "make_safe"])
def test_every_posture_blanks_the_beam_and_ends_what_runs(beam, posture):
    beam.set_many({"blanked": False})
    acquisition = beam.start_scan(FRAME)
    next(iter(acquisition))
    for _ in range(2):
        getattr(beam, posture)()
        assert blanked(beam)
    assert np.isnan(acquisition.result()["data"][:, 1:]).all()


def test_beam_has_no_feedback(beam):
    assert "feedback" not in beam.describe()["capabilities"]
    assert "feedback" not in beam.describe()["signals"]
    for call in (beam.withdraw, beam.approach):
        with pytest.raises(NotSupported):
            call()


def test_opens_withdrawn(dataset):
    driver = ReplayDriver(dataset)
    assert driver.get_many(["tip", "feedback", "bias"]) == {"tip": "withdrawn", "feedback": False, "bias": 0.0}
    driver.approach()
    assert driver.clock() == pytest.approx(20.0)


def test_tip_postures(driver):
    with pytest.raises(CommandRejected, match="real sample"):
        driver.set_many({"bias": 3.0})
    driver.set_many({"bias": 1.0, "drive_amplitude": 2.0})
    driver.hold()
    assert driver.get_many(["bias", "tip", "feedback"]) == {"bias": 1.0, "tip": "tracking", "feedback": True}
    driver.park()
    driver.park()
    assert driver.get_many(["bias", "tip", "feedback"]) == {"bias": 1.0, "tip": "withdrawn", "feedback": False}
    assert driver.get_many(["z"])["z"] == driver.describe()["signals"]["z"]["limits"][1]
    assert driver.clock() == pytest.approx(2.0)
    driver.make_safe()
    safe = {"bias": 0.0, "drive_amplitude": 0.0, "tip": "withdrawn", "feedback": False}
    assert driver.get_many(list(safe)) == safe
    assert driver.clock() == pytest.approx(2.0)


def test_a_withdrawn_tip_measures_nothing(driver):
    driver.withdraw()
    for refused in (
        lambda: driver.start_scan(FRAME),
        lambda: driver.start_spectrum("eds", {}),
        lambda: driver.set_feedback(True),
    ):
        with pytest.raises(CommandRejected, match="approach"):
            refused()
    driver.approach()
    assert driver.get_many(["tip", "feedback", "z"]) == {"tip": "tracking", "feedback": True, "z": 0.0}
    driver.set_feedback(False)
    assert not driver.get_many(["feedback"])["feedback"]
    driver.start_spectrum("eds", {}).result()


def test_signals_are_checked_together(driver):
    with pytest.raises(LimitError):
        driver.set_many({"setpoint": 2.0, "bias": 11.0})
    assert driver.get_many(["setpoint"]) == {"setpoint": 1.0}
    for key in ("z", "tip", "nonsense"):
        with pytest.raises(CommandRejected):
            driver.set_many({key: 1.0})
    with pytest.raises(CommandRejected):
        driver.get_many(["nonsense"])


def test_fills_the_protocols(driver, beam):
    for protocol in (drivers.ScanDriver, drivers.PositionDriver, drivers.SpectroscopyDriver, drivers.FeedbackDriver):
        assert isinstance(driver, protocol)
    assert set(driver.describe()["signals"]) == {
        "bias", "setpoint", "z", "drive_amplitude", "drive_frequency", "feedback", "phase_offset", "tip",
    }  # fmt: skip
    assert not driver.describe()["spectra"]["eds"]["destructive"]
    assert driver.describe()["spectra"]["eds"]["footprint"] == 5e-9
    assert beam.describe()["mode"] == "stem"
