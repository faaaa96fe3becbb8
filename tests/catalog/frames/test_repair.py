"""Frame files that a killed process left open: others open them afterwards, or they stay as they are."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from probeline.catalog.frames import rewriting
from probeline.catalog.frames.left_open import files_of_runs, is_left_open, left_open_files
from probeline.catalog.frames.repair import rewrite
from probeline.catalog.frames.rewriting import Rewriter
from probeline.catalog.journal.appending import JournalWriter
from probeline.core.errors import DataError
from probeline.devices.frame_file import DATASET, FrameFile

# Writes two frames and a half, then is killed.
KILLED = """
import os, signal, sys, pathlib, numpy as np
from probeline.devices.frame_file import FrameFile
geometry = {"lines": 8, "pixels": 16, "slow": "up"}
file = FrameFile(pathlib.Path(sys.argv[1]), ["height", "phase"], ["nm", "deg"], geometry)
for index in range(2):
    file.begin(index)
    file.write(index, 0, np.random.default_rng(index).normal(size=(2, 8, 16)), 1.5)
    file.finish(index, np.arange(8.0))
file.begin(2)
print(file.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Bytes of a frame file whose process was killed."""
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run([sys.executable, "-c", KILLED, folder], stdout=subprocess.PIPE, text=True, check=False)
    return Path(done.stdout.strip()).read_bytes()


@pytest.fixture
def left(tmp_path, killed):
    path = tmp_path / "left.h5"
    path.write_bytes(killed)
    return path


def only(path):
    """Whether nothing else lies beside a file."""
    return list(path.parent.iterdir()) == [path]


@pytest.mark.system
def test_a_file_of_a_killed_process_can_be_opened_by_others_afterwards(left, caplog):
    left.chmod(0o640)
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(left, "r")
    assert left_open_files(left.parent) == [left]
    assert Rewriter().rewrite(left, alone=False).reason == ""
    assert f"the frame file {left} was left open by a process that died: rewritten" in caplog.text
    assert left_open_files(left.parent) == []
    assert only(left)
    assert stat.S_IMODE(left.stat().st_mode) == 0o640
    with h5py.File(left, "r") as file:
        data = file[DATASET]
        for index in range(2):
            np.testing.assert_array_equal(data[index], np.random.default_rng(index).normal(size=(2, 8, 16)))
        assert np.isnan(data[2]).all()
        assert data.chunks == (1, 2, 1, 16)
        assert file["entry/data"].attrs["slow"] == "up"
        assert list(file["entry/data"].attrs["channels"]) == ["height", "phase"]


def test_whatever_a_file_holds_is_kept(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["texts"] = ["état", "b"]
        file["number"] = 3
        file["nothing"] = h5py.Empty("f8")
        file.create_dataset("packed", data=np.arange(5000.0), chunks=(100,), compression="gzip", shuffle=True)
        file["soft"], file["away"] = h5py.SoftLink("/packed"), h5py.ExternalLink("gone.h5", "/x")
        file.attrs["note"], file["packed"].attrs["bytes"] = "ü", np.void(b"\0\1")
    mark_open(path)
    rewrite(path, tmp_path / "a.draft", alone=False)
    with h5py.File(path) as file:
        assert [text.decode() for text in file["texts"]] == ["état", "b"]
        assert file["number"][()] == 3
        assert file["nothing"].shape is None
        np.testing.assert_array_equal(file["soft"], np.arange(5000.0))
        assert (file["packed"].compression, file["packed"].shuffle, file["packed"].chunks) == ("gzip", True, (100,))
        assert file.get("soft", getlink=True).path == "/packed"
        assert file.get("away", getlink=True).filename == "gone.h5"
        assert (file.attrs["note"], file["packed"].attrs["bytes"].tobytes()) == ("ü", b"\0\1")
    assert not is_left_open(path)


def mark_open(path):
    """Make a closed file one that was left open: with the flags, and the check sum over them."""
    with h5py.File(path, "r+", libver="latest") as file:
        file.swmr_mode = True
        file.flush()
        whole = path.read_bytes()
    path.write_bytes(whole)


def test_a_file_that_is_being_written_stays_as_it_is(tmp_path):
    writing = FrameFile(tmp_path, ["height"], ["nm"], {"lines": 4, "pixels": 4})
    writing.begin(0)
    before = writing.path.stat()
    assert left_open_files(tmp_path) == [writing.path]
    assert Rewriter().rewrite(writing.path, alone=True) is None
    assert writing.path.stat().st_ino == before.st_ino
    assert only(writing.path)
    writing.close()


def test_a_file_system_that_does_not_say_who_writes_needs_to_be_alone(left, monkeypatch):
    def unknown(*arguments):
        raise OSError(codes.pop(), "no lease")

    codes = [errno.EINVAL, errno.EINVAL, errno.EINVAL, errno.EACCES]
    monkeypatch.setattr("probeline.catalog.frames.repair.fcntl.fcntl", unknown)
    for alone in (True, False):  # the file of another user, then a file system without leases
        with pytest.raises(DataError, match="cannot be told whether somebody is writing it"):
            rewrite(left, left.with_suffix(".draft"), alone=alone)
        assert is_left_open(left)
    rewrite(left, left.with_suffix(".draft"), alone=True)
    assert not is_left_open(left)


def test_a_damaged_file_stays_as_it_is_and_the_reason_is_said(left, killed):
    for first, last in ((48, 60), (2000, 4000)):
        content = killed[:first] + b"Z" * (last - first) + killed[last:]
        left.write_bytes(content)
        result = Rewriter().rewrite(left, alone=False)
        assert result.reason.startswith("it cannot be rewritten: ")
        assert left.read_bytes() == content
        assert only(left)


def test_a_file_at_which_the_library_hangs_stays_as_it_is(left, killed, monkeypatch):
    monkeypatch.setattr(rewriting, "_LEAST_S", 2.0)
    left.write_bytes(killed[: len(killed) // 2])  # HDF5 waits for the writer to go on
    assert Rewriter().rewrite(left, alone=False).reason == "reading it took more than 2 s, it is damaged"
    assert left.read_bytes() == killed[: len(killed) // 2]
    assert only(left)


def test_a_crash_of_the_library_is_said(left, killed, monkeypatch, tmp_path_factory):
    crash = tmp_path_factory.mktemp("bin") / "python"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr(rewriting.sys, "executable", str(crash))
    assert Rewriter().rewrite(left, alone=False).reason == "reading it ended in signal 11, it is damaged"
    assert left.read_bytes() == killed


def test_nothing_is_rewritten_once_stopped(left, killed):
    rewriter = Rewriter()
    rewriter.stop()
    assert rewriter.rewrite(left, alone=False).reason == "the catalogue was closed before"
    assert left.read_bytes() == killed


def test_only_files_that_say_so_are_left_open(tmp_path, left):
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "left.h5.12.draft").write_bytes(left.read_bytes())
    (tmp_path / "link.h5").symlink_to(left)
    (tmp_path / "deep").mkdir()
    os.link(left, tmp_path / "deep" / "same.h5")
    with h5py.File(tmp_path / "closed.h5", "w", libver="latest") as file:
        file["x"] = 1
    assert left_open_files(tmp_path) == [tmp_path / "deep" / "same.h5", left]


def test_the_files_of_a_run_are_those_that_it_announced(tmp_path, left):
    journal = JournalWriter(tmp_path / "1-u.journal")
    journal.write("start", {"uid": "u", "time": 1.0})
    for uri in (f"file://localhost{left}", "file://localhost/gone.h5", "http://elsewhere/x.h5"):
        journal.write("stream_resource", {"uid": uri, "uri": uri})
    assert files_of_runs([journal.path], [tmp_path]) == {left}
    journal.close()
    journal.path.write_bytes(journal.path.read_bytes().replace(b"elsewhere", b"ELSEWHERE") + b"00000000 x\n")
    assert files_of_runs([journal.path], [tmp_path]) == {left}
