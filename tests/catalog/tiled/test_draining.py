"""Tiled slow, stopped, restarted, full or failing: the run goes on, the drain catches up by itself."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.catalog.journal.appending import JournalWriter, lock
from probeline.catalog.journal.compressing import is_compressed
from probeline.catalog.journal.reading import read_journal
from probeline.catalog.listing import read_state
from probeline.catalog.tiled import drain as draining
from probeline.catalog.tiled import uploading
from probeline.catalog.tiled.away import Fault, fault_of
from probeline.catalog.tiled.drain import Drain
from probeline.catalog.tiled.run import tiled_run
from probeline.core.errors import CatalogError

from ..catalog_devices import FrameCamera, survey_and_points

SERVER = """
import pathlib, socket, sys, uvicorn
from probeline.catalog.tiled.serving import make_app
app = make_app(pathlib.Path(sys.argv[1]) / "tiled", [pathlib.Path(sys.argv[2])], "secret")
listener = socket.create_server(("127.0.0.1", int(sys.argv[3])))
print("ready", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])
"""


class Server:
    """A Tiled server in a process of its own, always at the same address."""

    def __init__(self, folder: Path, data: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._arguments = [str(folder), str(data), str(self._port)]
        self.uri = f"http://127.0.0.1:{self._port}/?api_key=secret"
        self.start()

    def start(self):
        command = [sys.executable, "-c", SERVER, *self._arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def kill(self):
        self.process.kill()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path, empty_catalog, monkeypatch):
    import shutil

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    shutil.copytree(empty_catalog / "tiled", tmp_path / "served" / "tiled")
    server = Server(tmp_path / "served", tmp_path / "home")
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.mark.system
def test_a_server_killed_and_started_again_within_a_run_gets_all_of_it(server, engine, sensor):
    with catalogs.open(server.uri) as catalog:
        camera = FrameCamera(catalog.data_root)
        engine.subscribe(catalog.writer())
        begun = []

        def between(index):
            import bluesky.plan_stubs as bps

            if index == 1:
                catalog.flush()
                begun.append(len(tiled_run(catalog.client[catalog[-1].uid]).stream("primary").seq_num))
                server.kill()
            if index == 3:
                server.start()
            yield from bps.null()

        (uid,) = engine(survey_and_points(camera, sensor, points=6, before_save=between))
        assert begun == [2]  # rows of a run that goes on are in Tiled
        catalog.flush(120)
        assert catalog[uid].stop["exit_status"] == "success"
        assert catalog[uid].state == "stored"
        served = tiled_run(catalog.client[uid])
        for stream in ("survey", "primary"):
            ours = catalog[uid].stream(stream).drop_attrs()
            assert served.stream(stream).drop_attrs().identical(ours)


@pytest.mark.system
def test_closing_does_not_wait_for_a_server_that_is_gone(server, engine, sensor, caplog):
    catalog = catalogs.open(server.uri)
    assert len(catalog.client) == 0
    server.kill()
    engine.subscribe(catalog.writer())
    (uid,) = engine(survey_and_points(FrameCamera(catalog.data_root), sensor))
    with pytest.raises(CatalogError, match=r"within 2 s \(ConnectError: .*refused.*\); the journals hold all of it"):
        catalog.flush(2)
    assert catalog[uid].state == "pending"
    catalog.close()
    assert not catalog._drain._thread.is_alive()
    assert caplog.text.count("Tiled is away") == 1
    (path,) = (catalog.root / "journal").glob("*.journal")
    held = lock(path)  # whoever comes next may take it
    assert held is not None
    os.close(held)
    server.start()
    with catalogs.open(server.uri) as again:
        again.writer()
        again.flush()
        assert again[uid].state == "stored"


def journal(folder, uid="u1"):
    path = folder / f"00000000005000-{uid}.journal"
    writer = JournalWriter(path)
    writer.write("start", {"uid": uid, "time": 5.0})
    writer.write("stop", {"uid": f"s-{uid}", "run_start": uid, "time": 9.0, "exit_status": "success"})
    writer.close()
    return path


class Writing:
    """A writer that fails as it is told to, and then works."""

    def __init__(self, failures):
        self.failures, self.calls = failures, []

    def __call__(self, name, doc):
        self.calls.append(name)
        if self.failures and name == "stop":
            raise self.failures.pop()

    def flush(self):
        pass


class ServerError(Exception):
    def __init__(self, status):
        super().__init__(f"HTTP {status}")
        self.response = SimpleNamespace(status_code=status)


def drained(path, monkeypatch, failures):
    """Carry a journal with a writer that fails so; return how often it began."""
    import tiled.client.utils

    writing = Writing(failures)
    monkeypatch.setattr(uploading, "tiled_writer", lambda client: writing)
    monkeypatch.setattr(draining, "_PAUSE_S", 0.001)
    monkeypatch.setattr(draining, "_LONGEST_PAUSE_S", 0.001)
    retried = tiled.client.utils.should_retry
    status = lambda error: getattr(getattr(error, "response", None), "status_code", 0)  # noqa: E731
    monkeypatch.setattr(tiled.client.utils, "should_retry", lambda error: status(error) >= 500 or retried(error))
    drain = Drain(dict)
    drain.notify(path)
    drain.flush(60)
    assert drain.close(60)
    return writing.calls.count("start")


def test_what_passes_is_tried_until_it_works(tmp_path, monkeypatch):
    path = journal(tmp_path)
    full = OSError(28, "No space left on device")
    locked = RuntimeError("(sqlite3.OperationalError) database is locked")
    failures = [full, locked, ServerError(503), ServerError(401), *[ServerError(500)] * 5]
    assert drained(path, monkeypatch, failures) == 10
    assert read_state(path) == "stored"
    assert is_compressed(path)
    assert [name for name, _ in read_journal(path)] == ["start", "stop"]


def test_a_server_that_fails_at_a_run_again_and_again_refuses_it(tmp_path, monkeypatch):
    path = journal(tmp_path)
    assert drained(path, monkeypatch, [ServerError(500)] * 50) == 7  # and the last one once more as a whole
    assert read_state(path) == "rejected: ServerError: HTTP 500"
    assert not is_compressed(path)


def test_what_the_run_is_to_blame_for_is_refused_at_once(tmp_path, monkeypatch):
    path = journal(tmp_path)
    assert drained(path, monkeypatch, [ValueError("shape"), ValueError("shape")]) == 2
    assert read_state(path) == "rejected: ValueError: shape"
    assert fault_of(ServerError(422)) is Fault.RUN


def test_a_run_that_another_process_takes_care_of_is_left_to_it(tmp_path, monkeypatch):
    path = journal(tmp_path)
    other = lock(path)
    assert drained(path, monkeypatch, []) == 0
    assert read_state(path) == "pending"
    os.close(other)
    assert drained(path, monkeypatch, []) == 1
    assert read_state(path) == "stored"


CHILD = """
import resource, signal, sys
from bluesky import RunEngine
from catalog_devices import FrameCamera, Sensor, survey_and_points
from probeline import catalog as catalogs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
catalog = catalogs.open(sys.argv[1])
engine = RunEngine({}, context_managers=[])
engine.subscribe(catalog.writer())
engine.subscribe(lambda name, doc: print(name, doc.get("seq_num", ""), flush=True))
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    engine(survey_and_points(FrameCamera(catalog.data_root), Sensor(), points=1000))
except Exception as error:
    print("error", error, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
catalog.recover()
engine(survey_and_points(FrameCamera(catalog.data_root), Sensor(), points=2))
catalog.flush()
catalog.close()
"""


@pytest.mark.system
def test_a_full_disk_ends_the_run_and_keeps_what_was_acknowledged(catalog):
    root = catalog.root
    catalog.close()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", CHILD, str(root), "60000"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (failed,) = [number for number, line in enumerate(lines) if line.startswith("error ")]
    assert "cannot be written: [Errno 27] File too large; free space on the disk" in lines[failed]
    acknowledged = [int(line.split()[1]) for line in lines[:failed] if line.startswith("event")][1:]
    with catalogs.open(root) as again:
        later, first = again.runs()
        kept = again[first.uid].stream("primary").seq_num.values.tolist()
        assert len(acknowledged) > 10
        assert kept[: len(acknowledged)] == acknowledged
        assert first.exit_status == "fail"
        assert (later.exit_status, later.n_points) == ("success", 2)
        assert {first.state, later.state} == {"stored"}


DATABASE_FULL = """
import resource, signal, sys
from bluesky import RunEngine
from catalog_devices import FrameCamera, Sensor, survey_and_points
from probeline import catalog as catalogs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
catalog = catalogs.open(sys.argv[1])
assert len(catalog.client) == 0
engine = RunEngine({}, context_managers=[])
engine.subscribe(catalog.writer())
size = (catalog.root / "tiled" / "catalog.db").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
note = "x" * (size // 2)  # fits into the journal, but no more into the database
(uid,) = engine(survey_and_points(FrameCamera(catalog.data_root), Sensor(), points=5, md={"note": note}))
print(catalog[uid].stop["exit_status"])
print(catalog._drain.settle())
print(catalog[uid].state)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
catalog.flush()
print(catalog[uid].state)
catalog.close()
"""


@pytest.mark.system
def test_databases_on_a_full_disk_do_not_concern_the_run_and_catch_up(catalog):
    root = catalog.root
    catalog.close()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", DATABASE_FULL, str(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    ended, said, before, after = done.stdout.splitlines()
    assert (ended, before, after) == ("success", "pending", "stored")
    assert re.search("full|disk I/O error", said)
    assert "Tiled is away, the journals keep what it lacks" in done.stderr
    assert "Tiled is back and has what it lacked" in done.stderr
    with catalogs.open(root) as again:
        run = again[-1]
        assert (
            tiled_run(again.client[run.uid])
            .stream("primary")
            .drop_attrs()
            .identical(run.stream("primary").drop_attrs())
        )


@pytest.mark.system
def test_a_clock_that_jumps_back_loses_nothing(catalog, engine, sensor):
    write, moments = catalog.writer(), iter(range(1_000_000_000, 0, -50))
    engine.subscribe(lambda name, doc: write(name, {**doc, "time": float(next(moments))} if "time" in doc else doc))
    (uid,) = engine(survey_and_points(FrameCamera(catalog.data_root), sensor, points=4))
    catalog.flush()
    run = catalog[uid]
    times = run.stream("primary").time.values
    assert (np.diff(times) < 0).all()
    assert run.stop["time"] < run.start["time"]
    assert run.state == "stored"
    served = tiled_run(catalog.client[uid])
    assert served.stream("primary").drop_attrs().identical(run.stream("primary").drop_attrs())
