"""A killed process loses nothing that was acknowledged."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.catalog.journal.reading import JournalWarning
from probeline.catalog.tiled.run import tiled_run

HERE = Path(__file__).parents[1]


@pytest.mark.system
def test_a_killed_process_loses_no_acknowledged_event(catalog):
    root = catalog.root
    catalog.close()
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    command = [sys.executable, str(HERE / "killed_child.py"), str(root)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        acknowledged = []
        for line in child.stdout:
            acknowledged.append(tuple(map(int, line.split())))
            if len(acknowledged) == 40:
                child.send_signal(signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
    with catalogs.open(root, create=False) as again:
        (info,) = again.runs()
        assert (info.exit_status, info.state) == ("open", "pending")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JournalWarning)  # it may have been killed within a record
            run = again[-1]
    assert run.stop is None
    primary = run.stream("primary")
    kept = list(zip(primary.seq_num.values.tolist(), primary.whole.values.tolist(), strict=True))
    assert len(acknowledged) >= 40
    assert kept[: len(acknowledged)] == acknowledged
    assert info.n_points == len(kept)
    assert np.isfinite(run.stream("survey").spm_scan_frame.values[0, 1]).all()
    with catalogs.open(root, create=False) as again:
        again.writer()
        again.flush()
        (info,) = again.runs()
        assert (info.exit_status, info.state, info.n_points) == ("fail", "stored", len(kept))
        np.testing.assert_array_equal(tiled_run(again.client[info.uid]).stream("primary").whole, primary.whole)


@pytest.mark.system
def test_a_process_ends_by_itself_without_closing(catalog):
    root = catalog.root
    catalog.close()
    script = f"""
from bluesky import RunEngine
from bluesky.plans import count
from catalog_devices import Sensor
from probeline import catalog as catalogs
catalog = catalogs.open({str(root)!r})
engine = RunEngine({{}}, context_managers=[])
engine.subscribe(catalog.writer())
engine(count([Sensor()], num=3))
assert len(catalog.client) >= 0
"""
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    with catalogs.open(root) as again:
        again.writer()  # what is pending goes to Tiled in the background
        again.flush()
        assert again[-1].state == "stored"


def test_closing_files_is_not_needed_to_read_them(catalog, engine, camera, sensor):
    from ..catalog_devices import survey_and_points

    seen = []

    def read(name, doc):
        if name == "event" and "whole" in doc["data"] and not seen:
            seen.append(catalog[-1].stream("survey").spm_scan_frame.values)

    engine.subscribe(catalog.writer())
    engine.subscribe(read)
    engine(survey_and_points(camera, sensor, points=1))
    np.testing.assert_array_equal(seen[0][0], camera.taken[0])
