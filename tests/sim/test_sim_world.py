from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from probeline.core.errors import Busy, CommandRejected, LimitError
from probeline.sim.twin import TwinAcquisition, TwinDriver
from probeline.sim.world import World

SIGNALS = {
    "bias": {"unit": "V", "writable": True, "dtype": "number", "limits": (-10.0, 10.0)},
    "on": {"unit": "", "writable": True, "dtype": "boolean"},
    "mode": {"unit": "", "writable": True, "dtype": "string", "choices": ["a", "b"]},
    "z": {"unit": "m", "writable": False, "dtype": "number"},
}
VALUES = {"bias": 0.0, "on": False, "mode": "a", "z": 1e-9}


def make_driver(**options) -> TwinDriver:
    return TwinDriver(World(0, **options), SIGNALS, VALUES)


def make_acquisition(world: World, lines: int = 4) -> TwinAcquisition:
    def blocks():
        for line in range(lines):
            world.advance(1.0)
            yield line, np.full((1, 1, 2), float(line)), world.time

    return TwinAcquisition(world, blocks(), (1, lines, 2), lambda data, clocks: {"data": data, "clocks": clocks})


def test_time_goes_forward_only_and_to_the_exact_value():
    world = World(0)
    world.advance(0.1)
    world.advance_to(0.3)
    assert world.time == 0.3
    with pytest.raises(ValueError, match="back"):
        world.advance(-1)
    with pytest.raises(ValueError, match="back"):
        world.advance(float("nan"))


def test_noise_depends_on_its_names_not_on_history():
    first, second = World(3), World(3)
    second.noise("other", 0).standard_normal(100)
    second.exposure()
    assert np.array_equal(first.noise("n", 1, 2).random(5), second.noise("n", 1, 2).random(5))
    assert not np.array_equal(first.noise("n", 1, 2).random(5), first.noise("n", 2, 1).random(5))


def test_state_is_json_and_goes_on():
    world = World(0)
    world.advance(5)
    world.exposure()
    world.act(kind="domain", x=1e-9)
    again = World(0, json.loads(json.dumps(world.state())))
    assert again.state() == world.state()
    assert again.exposure() == 1
    again.acts[0]["x"] = 0.0
    assert world.acts[0]["x"] == 1e-9


def test_values_are_checked_together_before_any_is_set():
    driver = make_driver()
    with pytest.raises(LimitError, match="-10 to 10 V"):
        driver.set_many({"on": True, "bias": 11.0})
    assert driver.get_many(["on", "bias"]) == {"on": False, "bias": 0.0}
    driver.set_many({"on": True, "bias": 10})
    assert driver.get_many(["bias", "on"]) == {"bias": 10, "on": True}


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"bias": float("nan")}, LimitError),
        ({"bias": float("inf")}, LimitError),
        ({"bias": "high"}, CommandRejected),
        ({"bias": True}, CommandRejected),
        ({"on": 1.0}, CommandRejected),
        ({"mode": "c"}, CommandRejected),
        ({"z": 0.0}, CommandRejected),
        ({"nothing": 0.0}, CommandRejected),
    ],
)
def test_wrong_values_are_refused(values, error):
    with pytest.raises(error):
        make_driver().set_many(values)


def test_unknown_key_is_named():
    with pytest.raises(CommandRejected, match="nothing"):
        make_driver().get_many(["nothing"])


def test_waiting_is_exact_and_refuses_nonsense():
    driver = make_driver()
    driver.wait(0.1)
    driver.wait(0.2)
    assert driver.clock() == 0.1 + 0.2
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(LimitError):
            driver.wait(wrong)


def test_an_abort_leaves_no_time_passing():
    world = World(0, pace=1e-3)
    acquisition = make_acquisition(world)
    following = threading.Thread(target=acquisition.result)
    following.start()
    while not world._passing.locked():
        following.join(0.01)
    acquisition.abort()
    world.pace = None
    passed = world.time
    world.advance(5.0)
    following.join(30)
    assert not following.is_alive()
    assert world.time == passed + 5.0
    assert np.isnan(acquisition.result()["data"]).all()


def test_an_acquisition_that_fails_is_over():
    def blocks():
        raise RuntimeError("the scanner broke")
        yield

    driver = make_driver()
    acquisition = driver._begin(TwinAcquisition(driver._world, blocks(), (1, 1, 1), lambda data, clocks: {}))
    with pytest.raises(RuntimeError, match="broke"):
        acquisition.result()
    driver._begin(make_acquisition(driver._world)).result()


def test_hold_ends_a_paced_wait():
    driver = make_driver(pace=1.0)
    waiting = threading.Thread(target=driver.wait, args=(3600.0,))
    waiting.start()
    while waiting.is_alive():
        driver.hold()
        waiting.join(0.02)
    assert driver.clock() < 60


def test_acquisition_fills_its_result_block_by_block():
    acquisition = make_acquisition(World(0))
    assert [first for first, _, _ in acquisition] == [0, 1, 2, 3]
    result = acquisition.result()
    assert np.array_equal(result["data"][0, :, 0], [0, 1, 2, 3])
    assert np.array_equal(result["clocks"], [1, 2, 3, 4])
    assert not acquisition.running


def test_aborted_acquisition_is_nan_where_nothing_was_measured():
    world = World(0)
    acquisition = make_acquisition(world)
    for first, _, _ in acquisition:
        if first == 1:
            acquisition.abort()
    acquisition.abort()
    result = acquisition.result()
    assert np.array_equal(np.isnan(result["clocks"]), [False, False, True, True])
    assert world.time == 2


def test_one_acquisition_at_a_time():
    driver = make_driver()
    world = driver._world
    driver._begin(make_acquisition(world))
    with pytest.raises(Busy):
        driver._begin(make_acquisition(world))
    driver.hold()
    driver.hold()
    driver._begin(make_acquisition(world)).result()
    driver._begin(make_acquisition(world))
    driver.close()


def test_two_threads_share_an_acquisition():
    acquisition = make_acquisition(World(0), lines=200)
    other = threading.Thread(target=acquisition.result)
    other.start()
    for _ in acquisition:
        pass
    other.join()
    assert np.array_equal(acquisition.result()["data"][0, :, 0], np.arange(200))
