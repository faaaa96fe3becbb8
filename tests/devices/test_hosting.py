"""A driver in another process is the same driver, and its death is noticed."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from probeline.core import errors
from probeline.core.errors import (
    CommandRejected,
    ConnectionLost,
    DriverError,
    DriverTimeout,
    LimitError,
    SpecError,
    UnknownNameError,
)
from probeline.core.registry import BACKENDS
from probeline.devices.hosted import HostedDriver, host_process
from probeline.devices.hosting import serve
from probeline.devices.wire import decode, encode, error_message, raise_error

from .device_fakes import SlowDriver

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), children, max_size=3)
    ),
    max_leaves=8,
)
ARRAYS = hnp.arrays(
    st.sampled_from(["<f8", ">f4", "<i2", "|b1", "<c16", "<U3"]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)
)


def _same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON | ARRAYS | st.lists(ARRAYS, max_size=2)))
def test_messages_arrive_as_they_were_sent(message):
    assert _same(message, decode(encode(message)))


def test_only_json_and_arrays_travel():
    with pytest.raises(CommandRejected, match="object cannot be sent"):
        encode({"x": object()})
    with pytest.raises(CommandRejected, match="array"):
        encode({"x": np.array([object()])})
    with pytest.raises(DriverError, match="not understood"):
        decode([b"{"])


@pytest.mark.parametrize(
    "error",
    [
        LimitError("bias", math.nan, "-10 to 10 V", "V", "choose less"),
        UnknownNameError("spectrum", "loop", ["a", "b"]),
        errors.NotMeasured("nothing here"),
        errors.Busy("busy"),
    ],
)
def test_errors_travel_with_their_class_and_words(error):
    with pytest.raises(type(error)) as arrived:
        raise_error(decode(encode(error_message(error))))
    assert str(arrived.value) == str(error)


def test_what_is_no_error_of_ours_arrives_as_a_driver_error():
    with pytest.raises(DriverError, match="ZeroDivisionError: by zero"):
        raise_error(error_message(ZeroDivisionError("by zero")))


@pytest.fixture
def served(fake):
    """A proxy of the fake, served by a thread of this process."""
    with _service(fake) as (proxy, _, _):
        yield proxy


@contextlib.contextmanager
def _service(driver):
    """Serve ``driver`` by a thread; gives its proxy, its host and the thread."""
    ends = {}
    bound = threading.Event()

    def ready(host, command, control):
        ends.update(host=host, command=command, control=control)
        bound.set()

    thread = threading.Thread(target=serve, args=(driver, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", ready))
    thread.start()
    assert bound.wait(10)
    proxy = HostedDriver(ends["command"], ends["control"], timeout=0.5)
    yield proxy, ends["host"], thread
    proxy.close()
    ends["host"].end()
    thread.join(10)
    assert not thread.is_alive()


def test_control_answers_while_a_command_is_stuck(served, fake):
    fake.stuck = threading.Event()
    with pytest.raises(DriverTimeout, match=r"get_many.*0\.5 s"):
        served.get_many(["bias"])
    assert served.clock() == 0.0
    served.hold()
    fake.stuck.set()
    # The late answer to the first question is not taken for that to the second.
    assert served.get_many(["setpoint", "mode"]) == {"setpoint": 1.0, "mode": "slow"}


@pytest.mark.parametrize("holds", [True, False])
def test_an_orphan_that_was_approaching_ends_withdrawn(holds):
    driver = SlowDriver()
    if not holds:
        driver.hold = _refuse_once(driver.hold)
    with _service(driver) as (proxy, host, thread):
        with pytest.raises(DriverTimeout):
            proxy.approach()
        assert driver.begun.is_set()
        with contextlib.nullcontext() if holds else pytest.raises(CommandRejected, match="nothing to stop"):
            host.abandon()
        assert driver.get_many(["tip"]) == {"tip": "withdrawn"}
        driver.go.set()
        thread.join(10)
    assert driver.ended == ["withdrawn"]


def _refuse_once(function):
    errors = [CommandRejected("nothing to stop")]

    def call():
        if errors:
            raise errors.pop()
        function()

    return call


def test_a_call_that_does_not_exist_is_rejected(served):
    with pytest.raises(CommandRejected, match="not a call"):
        served._ask("__class__")
    with pytest.raises(CommandRejected, match="not a call"):
        served._ask("clock")


def test_an_acquisition_that_is_over_is_over(served):
    settings = {"center_x": 0.0, "center_y": 0.0, "width": 1e-7, "height": 1e-7, "pixels": 2, "lines": 2,
                "angle": 0.0, "slow": "up"}  # fmt: skip
    first = served.start_scan(settings)
    first.abort()
    served.start_scan(settings).result()
    first.abort()
    with pytest.raises(CommandRejected, match="is over"):
        first.result()


def test_nobody_there_is_a_lost_connection():
    with zmq.Context() as context, context.socket(zmq.ROUTER) as nobody:
        nobody.bind_to_random_port("tcp://127.0.0.1")
        endpoint = nobody.getsockopt_string(zmq.LAST_ENDPOINT)
        with pytest.raises(ConnectionLost, match="does not answer"):
            HostedDriver(endpoint, endpoint, patience=0.1)


@pytest.fixture(scope="module")
def hosted():
    driver = host_process("sim-pfm", "", {"seed": 4})
    yield driver
    driver.close()


def test_a_hosted_twin_gives_the_same_bits(hosted):
    here = BACKENDS.load("sim-pfm").open_driver("", {"seed": 4})
    settings = {"center_x": 1e-7, "center_y": 0.0, "width": 5e-7, "height": 5e-7, "pixels": 8, "lines": 20,
                "angle": 0.3, "slow": "down"}  # fmt: skip
    results = []
    for driver in (here, hosted):
        driver.approach()
        frame = driver.start_scan(settings).result()
        loop = driver.start_spectrum("switching_loop", {"cycles": 1}).result()
        results.append({"frame": frame, "loop": loop, "state": driver.state(), "clock": driver.clock()})
    assert _same(decode(encode(results[0])), results[1])


def test_errors_cross_the_process(hosted):
    with pytest.raises(LimitError) as refusal:
        hosted.set_many({"bias": 99.0})
    assert (refusal.value.what, refusal.value.value) == ("bias", 99.0)


def test_a_backend_that_does_not_open_says_why_and_leaves_nothing():
    before = _children()
    with pytest.raises(SpecError, match="colour"):
        host_process("sim-pfm", "", {"colour": "red"})
    with pytest.raises(UnknownNameError, match="sim-pfm"):
        host_process("sim-pmf", "", {})
    assert _children() == before


def test_a_killed_process_is_noticed_and_leaves_nothing(tmp_path):
    before = _children()
    driver = host_process("sim-pfm", "", {"seed": 0})
    driver.approach()
    acquisition = driver.start_scan(
        {"center_x": 0.0, "center_y": 0.0, "width": 1e-6, "height": 1e-6, "pixels": 8, "lines": 64, "angle": 0.0,
         "slow": "up"}
    )  # fmt: skip
    blocks = iter(acquisition)
    next(blocks)
    os.kill(driver.pid, signal.SIGKILL)
    with pytest.raises(ConnectionLost, match=str(driver.pid)):
        list(blocks)
    with pytest.raises(ConnectionLost):
        driver.make_safe()
    driver.close()
    driver.close()
    assert _children() == before


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs process descriptors to wait for a process not ours")
def test_a_host_does_not_outlive_a_killed_parent():
    program = (
        "from probeline.devices.hosted import host_process\n"
        "d = host_process('sim-pfm', '', {})\nprint(d.pid, flush=True)\ninput()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child = os.pidfd_open(json.loads(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    ended, _, _ = select.select([child], [], [], 20)
    os.close(child)
    assert ended


def _children():
    """Return the pids of the children of this process (Linux)."""
    path = f"/proc/self/task/{threading.get_native_id()}/children"
    with open(path) as file:
        return sorted(file.read().split())
