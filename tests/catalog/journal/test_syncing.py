"""The last records reach the disk although none follows, and a disk that does not take them is said."""

import errno
import os
import threading

import pytest

from probeline.catalog.journal import appending, syncing
from probeline.catalog.journal.appending import JournalWriter
from probeline.catalog.journal.reading import read_journal
from probeline.catalog.journal.sink import JournalSink
from probeline.catalog.journal.syncing import Syncer
from probeline.core.errors import CatalogError


@pytest.fixture
def disk(monkeypatch):
    """Say which sizes of files were brought to the disk, and wait for the next time."""

    class Disk:
        def __init__(self):
            self.sizes, self.asked, self.failure = [], threading.Condition(), None

        def fsync(self, number):
            with self.asked:
                self.sizes.append(os.fstat(number).st_size)
                self.asked.notify_all()
                if self.failure is not None:
                    raise self.failure

        def has(self, size):
            with self.asked:
                return self.asked.wait_for(lambda: size in self.sizes, 60)

    disk = Disk()
    monkeypatch.setattr(appending.os, "fsync", disk.fsync)
    return disk


START = ("start", {"uid": "u", "time": 1.0})
DESCRIPTOR = ("descriptor", {"uid": "d", "run_start": "u", "name": "primary", "data_keys": {}})
EVENT = ("event", {"uid": "e", "descriptor": "d", "seq_num": 1, "data": {}})


def test_the_last_records_reach_the_disk_although_none_follows(tmp_path, disk):
    assert syncing._GATHER_S <= 0.5  # and the time of the disk itself: at most a second
    sink = JournalSink(tmp_path, lambda path: None)
    sink(*START)
    (path,) = tmp_path.iterdir()
    for document in (DESCRIPTOR, EVENT):
        sink(*document)
        assert disk.has(path.stat().st_size)
    sink.close()


def test_a_disk_that_did_not_keep_a_record_fails_the_next_one(tmp_path, disk, caplog):
    sink = JournalSink(tmp_path, lambda path: None)
    sink(*START)
    (path,) = tmp_path.iterdir()
    disk.failure = OSError(errno.EIO, "Input/output error")
    sink(*DESCRIPTOR)
    sink._syncer.close()
    disk.failure = None
    assert "the disk did not take the journal" in caplog.text
    with pytest.raises(CatalogError, match=r"cannot be written: .*Input/output error"):
        sink(*EVENT)
    sink("stop", {"uid": "s", "run_start": "u", "exit_status": "fail"})
    sink.close()
    assert [name for name, _ in read_journal(path)] == ["start", "descriptor", "stop"]


def test_closing_brings_what_is_owed_to_the_disk(tmp_path, disk):
    journal, syncer = JournalWriter(tmp_path / "a.journal"), Syncer()
    journal.write("event", {})
    syncer.owe(journal)
    syncer.owe(journal)
    syncer.close()
    assert not syncer._thread.is_alive()
    assert disk.sizes[-1] == journal.path.stat().st_size
    assert not journal.unsynced
    journal.close()
    journal.sync()  # a journal that was closed meanwhile has nothing to bring
    syncer.close()
