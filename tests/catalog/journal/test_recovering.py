"""What an earlier process left is closed and stored; what lives is left alone."""

import errno
import logging
import threading
import tracemalloc

import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.catalog import mending
from probeline.catalog.journal.appending import JournalInUseError, JournalWriter
from probeline.catalog.journal.reading import read_journal
from probeline.catalog.journal.sink import JournalSink
from probeline.catalog.listing import read_state, uid_of
from probeline.catalog.mending import MendedRun
from probeline.catalog.tiled import drain as draining
from probeline.catalog.tiled import uploading
from probeline.catalog.tiled.drain import Drain
from probeline.core.errors import CatalogError, JournalError

SPECTRUM = {"dtype": "array", "shape": [1000]}
DOCUMENTS = [
    ("start", {"uid": "u1", "time": 5.0}),
    ("descriptor", {"uid": "d", "run_start": "u1", "name": "primary", "data_keys": {"spectrum": SPECTRUM}}),
    *[("event", {"uid": f"e{k}", "descriptor": "d", "seq_num": k, "data": {}, "time": 6.0}) for k in (1, 2, 2, 3)],
]
STOP = ("stop", {"uid": "s", "run_start": "u1", "time": 9.0, "exit_status": "success"})


class Tiled:
    """A Tiled that counts what it is given and keeps the uids of runs that ended."""

    made = False

    def __init__(self):
        self.client = {}
        self.taken = []

    def writer(self, client):
        return Taking(self.taken, client)

    def close(self):
        pass


class Taking:
    """Its writer."""

    def __init__(self, taken, client):
        self._taken, self._client = taken, client

    def __call__(self, name, doc):
        self._taken.append(name)
        if name == "stop":
            self._client[doc["run_start"]] = Held(self._client, doc["run_start"])

    def flush(self):
        pass


class Held:
    """A run in it."""

    def __init__(self, client, uid):
        self._client, self._uid = client, uid

    def delete(self, **options):
        del self._client[self._uid]


@pytest.fixture
def tiled(monkeypatch):
    fake = Tiled()
    monkeypatch.setattr(uploading, "tiled_writer", fake.writer)
    monkeypatch.setattr(mending, "is_held", lambda client, path: uid_of(path) in client)
    return fake


@pytest.fixture
def opened(tmp_path, tiled, monkeypatch):
    """Open the same catalogue, as often as wanted."""
    catalogs_open = []

    def opening():
        catalog = catalogs.open(tmp_path / "c")
        monkeypatch.setattr(catalog, "_open_tiled", lambda _: tiled)
        catalogs_open.append(catalog)
        return catalog

    yield opening
    for catalog in catalogs_open:
        catalog.close()


def journal(catalog, documents, uid="u1"):
    """Leave a journal as a dead process does."""
    path = catalog.root / "journal" / f"00000000005000-{uid}.journal"
    writer = JournalWriter(path)
    for name, doc in documents:
        writer.write(name, doc)
    writer.close()
    return path


def nothing(done):
    """Whether there was nothing to do."""
    return done.is_clean and not done.runs and not done.files


def test_an_orphan_is_closed_and_stored_at_the_next_opening(opened, tiled, caplog):
    catalog = opened()
    path = journal(catalog, DOCUMENTS)
    path.write_bytes(path.read_bytes() + b'0123abcd ["event", {')  # killed within a record
    died = path.stat().st_mtime
    with caplog.at_level(logging.WARNING):
        catalog.writer()
        catalog.flush()
    assert "run u1 was open and nobody writes it any more: closed as failed" in caplog.text
    *documents, (name, stop) = read_journal(path)
    assert documents == DOCUMENTS
    assert name == "stop"
    assert {key: stop[key] for key in ("run_start", "time", "exit_status", "num_events")} == {
        "run_start": "u1", "time": died, "exit_status": "fail", "num_events": {"primary": 3},
    }  # fmt: skip
    assert "process died" in stop["reason"]
    (info,) = catalog.runs()
    assert (info.exit_status, info.n_points, info.state) == ("fail", 3, "stored")
    assert tiled.taken[-1] == "stop"
    whole = path.read_bytes()
    assert nothing(catalog.recover())
    assert path.read_bytes() == whole


def test_a_run_that_goes_on_is_never_touched(opened):
    living, other = opened(), opened()
    write = living.writer()
    for name, doc in DOCUMENTS:
        write(name, doc)
    (path,) = (living.root / "journal").glob("*.journal")
    before = path.read_bytes()
    other.writer()
    for catalog in (living, other):
        assert nothing(done := catalog.recover())
        assert done.live == ["u1"]
    with pytest.raises(JournalInUseError, match="is being written"):
        JournalWriter(path, resume=True)
    assert path.read_bytes() == before
    write(*STOP)
    living.flush()
    assert [name for name, _ in read_journal(path)].count("stop") == 1
    assert living["u1"].stop["exit_status"] == "success"


def test_a_run_whose_stop_found_a_full_disk_is_closed_in_the_same_session(opened, monkeypatch):
    catalog = opened()
    write = catalog.writer()
    for name, doc in DOCUMENTS:
        write(name, doc)

    def full(self, name, doc):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "write", full)
        with pytest.raises(OSError, match="No space"):
            write(*STOP)
    assert catalog.recover().runs == [MendedRun("u1", ("closed", "uploaded"), "stored")]
    assert [(info.exit_status, info.state) for info in catalog.runs()] == [("fail", "stored")]


def test_a_disk_that_is_still_full_leaves_the_orphan_and_opens_the_catalogue(opened, monkeypatch, caplog):
    catalog = opened()
    path = journal(catalog, DOCUMENTS)
    before = path.read_bytes()

    def full(self, name, doc):
        raise CatalogError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "write", full)
        catalog.writer()
    assert "u1 cannot be closed: No space left on device" in caplog.text
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"nothing of ours\n"])
def test_files_without_a_start_stay_as_they_are(opened, content):
    catalog = opened()
    path = catalog.root / "journal" / "00000000005000-u1.journal"
    path.write_bytes(content)
    catalog.writer()
    assert path.read_bytes() == content


def test_a_damaged_orphan_is_named_and_stays_as_it_is(opened, caplog):
    catalog = opened()
    path = journal(catalog, DOCUMENTS)
    damaged = path.read_bytes().replace(b"primary", b"PRIMARY")
    path.write_bytes(damaged)
    catalog.writer()
    assert "u1 cannot be closed" in caplog.text
    done = catalog.recover()
    (run,) = done.runs
    assert run.state.startswith(f"damaged: {path}, record 3 (byte ")
    assert not done.is_clean
    assert path.read_bytes() == damaged
    with pytest.raises(JournalError):
        JournalWriter(path, resume=True)


def test_what_is_pending_is_stored_at_the_next_opening(opened, tiled):
    catalog = opened()
    path = journal(catalog, [*DOCUMENTS, STOP])
    assert read_state(path) == "pending"
    catalog.writer()
    catalog.flush()
    assert read_state(path) == "stored"
    taken = len(tiled.taken)
    catalog.close()
    again = opened()
    again.writer()
    again.flush()
    assert len(tiled.taken) == taken  # nothing was left to do


def test_what_tiled_lost_is_handed_over_again(opened, tiled):
    catalog = opened()
    write = catalog.writer()
    for uid in ("u1", "u2"):
        write("start", {"uid": uid, "time": 5.0})
        write("stop", {"uid": f"stop-{uid}", "run_start": uid, "time": 9.0, "exit_status": "success"})
    catalog.flush()
    assert nothing(catalog.recover())
    del tiled.client["u1"]
    assert catalog.recover().runs == [MendedRun("u1", ("uploaded",), "stored")]
    assert set(tiled.client) == {"u1", "u2"}
    assert [info.state for info in catalog.runs()] == ["stored", "stored"]
    assert nothing(catalog.recover())


def test_databases_that_had_to_be_made_get_every_run_again(opened, tiled):
    first = opened()
    journal(first, [*DOCUMENTS, STOP])
    first.writer()
    first.close()
    assert first["u1"].state == "stored"
    tiled.client.clear()  # the folder was deleted
    tiled.made = True
    again = opened()
    assert again.client is tiled.client
    again.flush()
    assert set(again.client) == {"u1"}
    assert again["u1"].state == "stored"


def test_what_is_pending_is_left_to_a_process_that_still_writes(opened, tiled):
    living, other = opened(), opened()
    living.writer()
    path = journal(living, [*DOCUMENTS, STOP])
    other.writer()
    other.flush()
    assert read_state(path) == "pending"
    living.close()
    other.close()
    with opened() as alone:
        alone.writer()
        alone.flush()
    assert read_state(path) == "stored"


def test_an_ending_interpreter_leaves_the_run_pending(opened, monkeypatch):
    catalog = opened()

    def ending(_):
        monkeypatch.setattr(threading, "_SHUTTING_DOWN", True)
        raise CatalogError("the Tiled folder cannot be opened")

    monkeypatch.setattr(catalog, "_open_tiled", ending)
    write = catalog.writer()
    for name, doc in [*DOCUMENTS, STOP]:
        write(name, doc)
    catalog.flush()
    assert catalog["u1"].state == "pending"


def test_a_late_notification_does_not_store_a_run_again(tmp_path, monkeypatch, tiled):
    made = []

    class Counted(uploading.RunUpload):
        def __init__(self, path, client, lock=None):
            made.append(path)
            super().__init__(path, client, lock)

    monkeypatch.setattr(draining, "RunUpload", Counted)
    paths = set()
    sink = JournalSink(tmp_path, paths.add)
    for name, doc in [*DOCUMENTS[:3], STOP]:
        sink(name, doc)
    (path,) = paths
    drain = Drain(lambda: tiled.client)
    for _ in range(2):  # the second is the stop's own, which the drain had read already
        drain.notify(path)
        drain.flush(60)
    assert drain.close(60)
    assert made == [path]
    assert tiled.taken == ["start", "descriptor", "event", "stop"]


def test_a_run_is_uploaded_again_without_all_of_it_in_memory(tmp_path, tiled):
    journal = JournalWriter(tmp_path / "1-u1.journal")
    for name, doc in DOCUMENTS[:2]:
        journal.write(name, doc)
    numbers = [*range(1, 1001), *range(900, 1501)]  # a rewind
    for number in numbers:
        data = {"spectrum": np.full(1000, float(number))}
        journal.write("event", {"uid": "", "descriptor": "d", "seq_num": number, "data": data, "time": 6.0})
    journal.write(*STOP)
    journal.close()
    tracemalloc.start()
    uploading.upload(tiled.client, lambda: read_journal(journal.path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tiled.taken.count("event") == 1500
    assert peak < 0.2 * journal.path.stat().st_size
