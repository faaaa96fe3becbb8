"""`probeline recover` and what a session does by itself at its start, after processes that were killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.catalog.frames.left_open import left_open_files
from probeline.catalog.frames.rewriting import RewrittenFile
from probeline.catalog.listing import journal_files, write_state
from probeline.catalog.mending import MendedRun, Mending
from probeline.catalog.tiled.run import tiled_run
from probeline.catalog.tiled.uploading import tiled_writer

from .catalog_devices import FRAME

pytestmark = pytest.mark.system
HERE = Path(__file__).parent
PROFILE = HERE.parents[1] / "profile_collection" / "startup" / "00-engine.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE)}


def probeline(*arguments):
    command = [sys.executable, "-m", "probeline", *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory, empty_catalog):
    """Folder of a catalogue whose process was killed within a run, and how many events were acknowledged."""
    root = tmp_path_factory.mktemp("killed") / "catalog"
    shutil.copytree(empty_catalog, root)
    acknowledged = 0
    command = [sys.executable, str(HERE / "killed_child.py"), str(root)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as child:
        for _ in child.stdout:
            acknowledged += 1
            if acknowledged == 20:
                child.send_signal(signal.SIGKILL)
    assert len(left_open_files(root / "data")) == 1
    return root, acknowledged


@pytest.fixture
def killed(template, tmp_path):
    """Return a copy of it."""
    shutil.copytree(template[0], tmp_path / "catalog")
    return tmp_path / "catalog"


def test_recover_closes_uploads_and_rewrites_and_the_second_time_does_nothing(killed, template):
    (path,) = journal_files(killed / "journal")
    uid = path.stem.partition("-")[2]
    (file,) = left_open_files(killed / "data")
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(file, "r")
    answer = probeline("recover", "--catalog", killed, "--json")
    assert answer.returncode == 0, answer.stderr
    said = answer.stderr
    assert json.loads(answer.stdout) == {
        "runs": [{"uid": uid, "did": ["closed", "uploaded"], "state": "stored"}],
        "files": [{"file": str(file), "reason": ""}],
        "live": [],
        "trouble": "",
    }
    assert f"run {uid} was open and nobody writes it any more: closed as failed" in said
    assert f"run {uid}, which an earlier process left, is in Tiled" in said
    assert f"the frame file {file} was left open by a process that died: rewritten" in said
    with h5py.File(file, "r") as opened:
        assert opened["entry/data/data"].shape == (1, *FRAME)
    with catalogs.open(killed) as catalog:
        run = catalog[uid]
        assert run.stop["exit_status"] == "fail"
        assert run.stop["reason"].startswith("process died")
        events = len(run.documents_of("primary").events)
        assert events >= template[1]
        assert len(tiled_run(catalog.client[uid]).documents_of("primary").events) == events
    before = file.stat().st_ino, path.read_bytes()
    shown = probeline("recover", "--catalog", killed)
    assert (shown.returncode, shown.stdout.strip(), shown.stderr) == (0, "nothing to do", "")
    assert (file.stat().st_ino, path.read_bytes()) == before


LIVE = """
import sys
from bluesky import RunEngine
from catalog_devices import FrameCamera, Sensor, survey_and_points
from probeline import catalog as catalogs
catalog = catalogs.open(sys.argv[1])
engine = RunEngine({}, context_managers=[])
engine.subscribe(catalog.writer())
def wait(index):
    print("measured", flush=True)
    sys.stdin.readline()
    return iter(())
uids = engine(survey_and_points(FrameCamera(catalog.data_root), Sensor(), points=3, before_save=wait))
catalog.flush()
print(uids[0], catalog[uids[0]].stop["exit_status"], catalog[uids[0]].state, flush=True)
catalog.close()
"""


class Session:
    """A process that measures a point for each line that it is given, up to three."""

    def __init__(self, root):
        self.process = subprocess.Popen(
            [sys.executable, "-c", LIVE, str(root)],
            env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def measured(self):
        assert self.process.stdout.readline() == "measured\n"

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self):
        with self.process:
            line = self.process.stdout.readline()
        assert self.process.returncode == 0
        return line.split()


@pytest.fixture
def sessions():
    begun = []

    def begin(root):
        begun.append(Session(root))
        return begun[-1]

    yield begin
    for session in begun:
        with session.process:
            session.process.kill()


def test_recover_leaves_a_live_session_alone_and_takes_care_of_the_rest(killed, sessions):
    (dead,) = left_open_files(killed / "data")
    (orphan,) = journal_files(killed / "journal")
    before = orphan.read_bytes()
    shutil.move(orphan, killed)  # comes back when the session has begun, which would take care of it
    shutil.move(dead, killed)
    session = sessions(killed)
    session.measured()
    (living,) = left_open_files(killed / "data")
    shutil.move(killed / orphan.name, orphan)
    shutil.move(killed / dead.name, dead)
    assert orphan.read_bytes() == before
    written = living.stat().st_ino
    with catalogs.open(killed) as beside:
        done = beside.recover()
    assert [run.did for run in done.runs] == [("closed", "uploaded")]
    assert done.files == [RewrittenFile(dead, "")]
    (live,) = done.live
    assert living.stat().st_ino == written
    assert left_open_files(killed / "data") == [living]
    for _ in range(2):
        session.go_on()
        session.measured()
    session.go_on()
    assert session.result() == [live, "success", "stored"]
    with catalogs.open(killed) as alone:
        assert alone.recover() == Mending([], [], [], "")


def test_two_sessions_record_into_one_catalogue_at_the_same_time(catalog, sessions):
    root = catalog.root
    catalog.close()
    pair = [sessions(root), sessions(root)]
    for _ in range(3):
        for session in pair:
            session.measured()
        for session in pair:
            session.go_on()
    results = [session.result() for session in pair]
    assert [result[1:] for result in results] == [["success", "stored"]] * 2
    with catalogs.open(root) as again:
        assert {info.uid for info in again.runs()} == {uid for uid, *_ in results}
        for info in again.runs():
            assert (info.exit_status, info.state, info.n_points) == ("success", "stored", 3)
            ours, served = again[info.uid].stream("primary"), tiled_run(again.client[info.uid]).stream("primary")
            assert served.drop_attrs().identical(ours.drop_attrs())


def test_a_session_says_at_its_start_what_it_put_right(killed):
    (path,) = journal_files(killed / "journal")
    uid = path.stem.partition("-")[2]
    (file,) = left_open_files(killed / "data")
    environment = {**ENVIRONMENT, "PROBELINE_CATALOG": str(killed)}
    start = f"exec(open({str(PROFILE)!r}).read()); cat.flush(); cat._mender._thread.join()"
    command = [sys.executable, "-c", start]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stderr.splitlines()
    assert f"run {uid} was open and nobody writes it any more: closed as failed" in lines
    assert f"run {uid}, which an earlier process left, is in Tiled now" in lines
    assert f"the frame file {file} was left open by a process that died: rewritten, with all that was in it" in lines
    h5py.File(file, "r").close()


def recorded(catalog, events=5):
    """Record a run of numbers; return its uid and documents."""
    documents = [("start", {"uid": f"run-{events}", "time": 1.0})]
    key = {"source": "t", "dtype": "number", "shape": [], "dtype_numpy": "<f8"}
    array = {"source": "t", "dtype": "array", "shape": [2], "dtype_numpy": "<f8"}
    uid = documents[0][1]["uid"]
    descriptor = {"uid": f"d-{uid}", "run_start": uid, "name": "primary", "time": 2.0, "configuration": {}, "hints": {}}
    documents.append(("descriptor", {**descriptor, "object_keys": {}, "data_keys": {"x": key, "y": array}}))
    for number in range(1, events + 1):
        data = {"x": float(number), "y": np.full(2, float(number))}
        event = {"uid": f"{uid}-{number}", "descriptor": f"d-{uid}", "seq_num": number, "time": 3.0, "filled": {}}
        documents.append(("event", {**event, "data": data, "timestamps": {"x": 3.0, "y": 3.0}}))
    stop = {"uid": f"s-{uid}", "run_start": uid, "time": 4.0, "exit_status": "success"}
    documents.append(("stop", {**stop, "num_events": {"primary": events}}))
    write = catalog.writer()
    for name, doc in documents:
        write(name, doc)
    catalog.flush()
    return uid, documents


def replaced(client, uid, documents):
    """Write a run into Tiled again, of these documents only."""
    client[uid].delete(recursive=True, external_only=False)
    write = tiled_writer(client)
    for name, doc in documents:
        write(name, doc)


def test_what_tiled_holds_by_halves_is_uploaded_again(catalog):
    uid, documents = recorded(catalog)
    client = catalog.client
    assert not catalog.recover().runs  # it is whole

    def fewer_rows():
        replaced(client, uid, documents[:4] + documents[-1:])

    def no_end():
        replaced(client, uid, documents[:-1])

    def no_stream():
        client[uid].v3["primary"].base.delete(recursive=True, external_only=False)

    def no_array():
        client[uid].v3["primary"].base["y"].delete(external_only=False)

    for damage in (fewer_rows, no_end, no_stream, no_array):
        damage()
        assert catalog[uid].state == "stored"
        assert catalog.recover().runs == [MendedRun(uid, ("uploaded",), "stored")], damage
        served, ours = tiled_run(client[uid]), catalog[uid]
        assert served.stream("primary").drop_attrs().identical(ours.stream("primary").drop_attrs())
        assert not catalog.recover().runs


def test_what_stays_rejected_or_damaged_is_said_with_its_reason_and_an_exit_code(catalog):
    root = catalog.root
    uid, _ = recorded(catalog)
    recorded(catalog, 2)
    (path,) = (root / "journal").glob("*run-5.journal")
    catalog.close()
    write_state(path, "pending")
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    shown = probeline("recover", "--catalog", root)
    assert shown.returncode == 3
    assert "restore the file from a backup" in " ".join(shown.stdout.replace("│", " ").split())
    listed = probeline("runs", "--catalog", root).stdout
    assert f"{uid[:8]} rejected: JournalError: {path}, record " in listed
    assert "restore the file from a backup" in listed
    with catalogs.open(root) as again:
        done = again.recover()
    assert [(run.uid, run.did) for run in done.runs] == [(uid, ())]
    assert not done.is_clean


def test_recover_without_a_server_closes_and_says_that_tiled_is_away(tmp_path, template, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "XDG_DATA_HOME", str(tmp_path))
    uri = "http://127.0.0.1:9/"
    probeline("recover", "--catalog", uri)  # makes the folder of that server
    (root,) = (tmp_path / "probeline" / "servers").iterdir()
    for part in ("journal", "data"):
        shutil.copytree(template[0] / part, root / part, dirs_exist_ok=True)
    answer = probeline("recover", "--catalog", uri, "--json")
    done = json.loads(answer.stdout)
    assert answer.returncode == 1
    assert [run["did"] for run in done["runs"]] == [["closed"]]
    assert [file["reason"] for file in done["files"]] == [""]
    assert done["trouble"].startswith("the Tiled server at http://127.0.0.1:9/ does not answer: ")
    assert "the journals hold what Tiled lacks, recover again later" in answer.stderr
