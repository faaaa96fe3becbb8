"""Opening catalogues and finding runs in them."""

import errno
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import uvicorn

from probeline import catalog as catalogs
from probeline.catalog.journal.compressing import is_compressed
from probeline.catalog.store import shown
from probeline.catalog.tiled.run import tiled_run
from probeline.catalog.tiled.serving import RemoteTiled, make_app
from probeline.core.errors import CatalogError, DataError, JournalError, UnknownNameError

from .catalog_devices import FrameCamera, survey_and_points


def record(catalog, uid, time, *, stop=True, start=None):
    """Write a run without events."""
    write = catalog.writer()
    write("start", {"uid": uid, "time": time, **(start or {})})
    if stop:
        write("stop", {"uid": f"stop-{uid}", "run_start": uid, "time": time + 1, "exit_status": "success"})


@pytest.fixture
def journal_only(tmp_path, monkeypatch):
    """A catalogue whose Tiled takes everything and keeps nothing."""
    from probeline.catalog.tiled import uploading

    monkeypatch.setattr(uploading, "tiled_writer", lambda client: Taking())
    with catalogs.open(tmp_path / "c") as catalog:
        monkeypatch.setattr(catalog, "_open_tiled", NoTiled)
        yield catalog


class Taking:
    def __call__(self, name, doc):
        pass

    def flush(self):
        pass


class NoTiled:
    made = False

    def __init__(self, _):
        self.client = {}

    def close(self):
        pass


def test_a_new_catalogue_is_a_folder_with_a_marker(tmp_path):
    with catalogs.open(tmp_path / "deep" / "c") as catalog:
        assert json.loads((catalog.root / "probeline.json").read_text()) == {
            "format": "probeline-catalog",
            "version": 1,
        }
        assert catalog.data_root == catalog.root / "data"
        assert sorted(path.name for path in catalog.root.iterdir() if path.is_dir()) == [
            "data", "journal", "reports", "tiled",
        ]  # fmt: skip
        assert catalog.runs() == []
        assert repr(catalog).endswith("(0 runs)>")


def test_folders_that_are_no_catalogue_are_refused(tmp_path):
    with pytest.raises(CatalogError, match=r"there is no catalogue at .*none; check the path$"):
        catalogs.open(tmp_path / "none", create=False)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("")
    with pytest.raises(CatalogError, match="is not empty and no catalogue of probeline; choose another"):
        catalogs.open(tmp_path / "foreign")
    assert os.listdir(tmp_path / "foreign") == ["thesis.tex"]


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('{"format": "probeline-catalog", "version": 2}', "version 2, this probeline reads 1; upgrade"),
        ('{"format": "other", "version": 1}', "belongs to something else"),
        ('{"format": "probel', "is damaged: .*; the runs are not: write"),
        ("[]", "is damaged"),
        ("", "is damaged"),
    ],
)
def test_markers_that_are_wrong_say_what_to_do(tmp_path, marker, message):
    (tmp_path / "probeline.json").write_text(marker)
    with pytest.raises(CatalogError, match=message):
        catalogs.open(tmp_path)


def test_a_full_disk_leaves_no_folder_that_looks_like_something_else(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(CatalogError, match=r"cannot be opened: .*No space left.* the space on its disk"):
            catalogs.open(tmp_path / "c")
    with catalogs.open(tmp_path / "c") as catalog:  # when there is space again
        assert catalog.runs() == []


def test_a_folder_that_was_lost_is_made_again(tmp_path):
    catalogs.open(tmp_path / "c").close()
    shutil.rmtree(tmp_path / "c" / "tiled")
    shutil.rmtree(tmp_path / "c" / "journal")
    with catalogs.open(tmp_path / "c") as catalog:
        assert (catalog.root / "tiled").is_dir()
        record(catalog, "u1", 5.0)


def test_a_path_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot be opened"):
        catalogs.open(tmp_path / "file")


def test_runs_are_found_by_uid_beginning_and_place(journal_only):
    record(journal_only, "aa11", 10.0)
    record(journal_only, "aa22", 30.0, stop=False)
    record(journal_only, "bb33", 20.0)
    assert [info.uid for info in journal_only.runs()] == ["aa22", "bb33", "aa11"]
    assert journal_only["aa11"].uid == "aa11"
    assert journal_only["b"].uid == "bb33"
    assert journal_only[-1].uid == "aa22"
    assert journal_only[0].uid == "aa11"
    with pytest.raises(UnknownNameError, match="Several runs begin so"):
        journal_only["aa"]
    for absent in ("cc", ""):
        with pytest.raises(UnknownNameError, match=r"unknown run .* See runs"):
            journal_only[absent]
    with pytest.raises(UnknownNameError, match="holds 3 runs"):
        journal_only[3]


def test_a_line_says_what_the_run_was(journal_only):
    block = {
        "instrument": {"backend": "sim-pfm"}, "goal": "map",
        "agent": {"kind": "patch_gp"}, "objective": {"name": "loop_area"},
    }  # fmt: skip
    record(journal_only, "u1", 5.0, start={"plan_name": "explore", "probeline": block})
    journal_only.flush()
    (info,) = journal_only.runs()
    assert info == catalogs.RunInfo(
        "u1", 5.0, "explore", "sim-pfm", "map", "patch_gp", "loop_area", "success", 0, "stored"
    )


def damage(catalog, number):
    """Break one letter in record ``number``, from 1, of the only journal."""
    (path,) = (catalog.root / "journal").glob("*.journal")
    content = path.read_bytes()
    lines = (gzip.decompress(content) if is_compressed(path) else content).splitlines(keepends=True)
    lines[number - 1] = lines[number - 1][:-3] + b"?" + lines[number - 1][-2:]
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("number", [1, 2])
def test_a_damaged_journal_does_not_hide_the_others(journal_only, number):
    record(journal_only, "aa11", 10.0)
    journal_only.flush()
    damage(journal_only, number)
    record(journal_only, "bb22", 20.5)
    record(journal_only, "cc33", 5.0)
    newest, damaged, oldest = journal_only.runs()
    assert (newest.uid, oldest.uid) == ("bb22", "cc33")
    assert (damaged.uid, damaged.time, damaged.n_points, damaged.exit_status) == ("aa11", 10.0, 0, "")
    assert re.match(rf"damaged: .*aa11\.journal, record {number} .*restore the file from a backup", damaged.state)
    with pytest.raises(JournalError, match=f"record {number}"):
        journal_only["aa11"]


def test_a_journal_that_is_no_file_is_listed_and_does_not_stop_a_run(journal_only, caplog):
    (journal_only.root / "journal" / "00000000007000-dd44.journal").mkdir()
    record(journal_only, "aa11", 10.0)
    assert [(info.uid, info.state.partition(":")[0]) for info in journal_only.runs()][1] == ("dd44", "damaged")
    assert "dd44" in caplog.text


def test_an_open_run_that_is_damaged_in_the_middle_is_listed_as_damaged(journal_only, engine, sensor, tmp_path):
    states = []

    def look(name, doc):
        if name == "event" and "real" in doc["data"]:
            states.append(journal_only.runs()[0].state)
            if len(states) == 1:
                damage(journal_only, 4)

    engine.subscribe(journal_only.writer())
    engine.subscribe(look)
    engine(survey_and_points(FrameCamera(tmp_path), sensor, points=2))
    assert states[0] == "pending"
    assert states[1].startswith("damaged: ")


def test_points_are_counted_with_and_without_a_stop(journal_only, engine, sensor, tmp_path):
    counts = []
    engine.subscribe(journal_only.writer())
    engine.subscribe(lambda name, doc: counts.append(journal_only.runs()[0].n_points))
    engine(survey_and_points(FrameCamera(tmp_path), sensor, points=3))
    assert counts[0] == 0
    assert counts[-2:] == [3, 3]


def test_a_document_of_an_unknown_run_is_refused(journal_only):
    with pytest.raises(CatalogError, match="subscribe the writer before the run begins"):
        journal_only.writer()("event", {"descriptor": "d", "data": {}})


def test_a_closed_catalogue_takes_no_run_but_can_be_read(journal_only):
    record(journal_only, "u1", 5.0)
    journal_only.close()
    with pytest.raises(CatalogError, match="closed"):
        record(journal_only, "u2", 6.0)
    assert [info.uid for info in journal_only.runs()] == ["u1"]
    assert journal_only["u1"].stop is not None


def test_a_moved_catalogue_finds_its_frames(catalog, engine, camera, sensor, tmp_path):
    engine.subscribe(catalog.writer())
    engine(survey_and_points(camera, sensor, points=1))
    catalog.close()
    shutil.move(catalog.root, tmp_path / "elsewhere")
    with catalogs.open(tmp_path / "elsewhere") as moved:
        assert (moved[-1].stream("survey").spm_scan_frame.values[0, 1] == camera.taken[0][1]).all()
        for file in moved.data_root.glob("*.h5"):
            file.unlink()
        with pytest.raises(DataError, match="does not exist there or under"):
            moved[-1].stream("survey")


@pytest.fixture
def server(empty_catalog, tmp_path):
    """Address of a Tiled server that may read this test's home."""
    shutil.copytree(empty_catalog, tmp_path / "served")
    app = make_app(tmp_path / "served" / "tiled", [tmp_path / "home"], "secret")
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/?api_key=secret"
    running.should_exit = True
    thread.join(30)
    listener.close()
    assert not thread.is_alive()


@pytest.mark.system
def test_a_server_gets_runs_and_shows_their_frames(server, engine, sensor, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    with catalogs.open(server) as remote:
        assert not remote.recover().runs
        assert remote.root.parent == tmp_path / "home" / "probeline" / "servers"
        camera = FrameCamera(remote.data_root)
        engine.subscribe(remote.writer())
        (uid,) = engine(survey_and_points(camera, sensor, points=2))
        remote.flush()
        assert remote[uid].state == "stored"
        served = tiled_run(remote.client[uid])
        np.testing.assert_array_equal(served.stream("survey").spm_scan_frame.values[0], camera.taken[0])
        np.testing.assert_array_equal(served.stream("primary").loop, remote[uid].stream("primary").loop)


@pytest.mark.system
def test_a_server_that_lets_nobody_in_is_named_without_the_key(server, tmp_path):
    address = server.partition("?")[0]
    for uri, reason in ((address, "requires API key"), (f"{address}?api_key=wrong", "401: Invalid API key")):
        with pytest.raises(
            CatalogError, match=f"{address} cannot be used: .*{reason}.*; check address and key"
        ) as error:
            RemoteTiled(uri, tmp_path)
        assert "wrong" not in str(error.value)


def test_a_server_that_is_not_there_is_named_without_its_key_and_asked_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with pytest.raises(
        CatalogError, match=rf"{address} does not answer: .*refused; start it, .* in {tmp_path}$"
    ) as error:
        RemoteTiled(f"{address}?api_key=secret", tmp_path)
    assert "secret" not in str(error.value)


def test_an_address_that_is_none_is_refused():
    with pytest.raises(CatalogError, match=r"http://\[half is no address of a server: .*; check it"):
        catalogs.open("http://[half?api_key=secret")
    assert shown("https://host/x?api_key=secret") == "https://host/x"
    assert shown("a?b") == "a?b"


def test_importing_is_cheap():
    heavy = ["tiled", "databroker", "torch", "bluesky", "xarray"]
    code = f"import sys, probeline.catalog; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
