"""Instruments for the tests of devices: a fake, the PFM twin, replays where the data are there."""

from __future__ import annotations

import os

os.environ["MPLBACKEND"] = "Agg"

import pytest
from bluesky.callbacks.best_effort import BestEffortCallback

from probeline.core.envelope import Envelope
from probeline.core.errors import DataError
from probeline.core.paths import data_folder
from probeline.devices.factory import open_instrument
from probeline.devices.guard import Guard
from probeline.devices.instrument_file import parse_instrument
from probeline.devices.instruments import assemble
from probeline.plans.session import run_engine

from .device_fakes import FakeDriver

SPEC = {
    "name": "spm", "kind": "spm", "backend": "fake", "spectrum": "switching_loop", "objective": "loop_area",
    "survey": {"size_nm": 800.0, "pixels": 8, "patch_nm": 100.0},
}  # fmt: skip


@pytest.fixture
def fake():
    return FakeDriver()


@pytest.fixture
def spm(fake, tmp_path):
    """The fake, assembled; ``spm.fake`` is the driver behind the guard."""
    device = assemble(Guard(fake, Envelope()), parse_instrument(SPEC, "test"), tmp_path)
    device.fake = fake
    yield device
    device.close()


@pytest.fixture
def pfm(tmp_path):
    device = open_instrument("sim-pfm", data_root=tmp_path, options={"seed": 0})
    device.scan.frame.set({"pixels": 16, "lines": 16}).wait()
    device.posture.set("track").wait(20)
    yield device
    device.close()


def replay(name, folder):
    try:
        data_folder(name)
    except DataError as absent:
        pytest.skip(str(absent))
    device = open_instrument(f"replay:{name}", data_root=folder)
    device.scan.frame.set({"pixels": 16, "lines": 16}).wait()
    device.posture.set("track").wait(20)
    return device


@pytest.fixture
def beacon(tmp_path):
    device = replay("beacon-dkl", tmp_path)
    yield device
    device.close()


@pytest.fixture
def stem(tmp_path):
    device = replay("stem-eds-particles", tmp_path)
    yield device
    device.close()


@pytest.fixture
def engine():
    """A RunEngine with a best-effort callback; ``engine.docs`` are the documents so far."""
    with run_engine() as engine:
        table = BestEffortCallback()
        table.disable_plots()
        engine.subscribe(table)
        engine.docs = []
        engine.subscribe(lambda name, doc: engine.docs.append((name, doc)))
        yield engine
