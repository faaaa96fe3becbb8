"""Finding runs: by what they were, without reading them all; the index is never the truth."""

import datetime
import sqlite3

import pytest

from probeline import catalog as catalogs
from probeline.catalog import search
from probeline.catalog.journal.appending import JournalWriter
from probeline.catalog.listing import forget_state, journal_path, write_state
from probeline.core.errors import SpecError, UnknownNameError

NOON = datetime.datetime(2026, 11, 25, 12).timestamp()
DAY = 86400.0


def write(folder, uid, when, *, stop=True, **start):
    """Write the journal of a run without events."""
    document = {"uid": uid, "time": when, **start}
    path = journal_path(folder, document)
    journal = JournalWriter(path)
    journal.write("start", document)
    if stop:
        journal.write("stop", {"uid": f"stop-{uid}", "run_start": uid, "time": when + 1, "exit_status": "success"})
    journal.close()
    return path


def explored(goal, agent="patch_gp", objective="loop_area", instrument="sim-pfm"):
    block = {
        "goal": goal, "agent": {"kind": agent}, "objective": {"name": objective}, "instrument": {"backend": instrument},
    }  # fmt: skip
    return {"plan_name": "explore", "probeline": block}


@pytest.fixture
def journals(tmp_path):
    """Folder of the journals of a catalogue with four runs."""
    folder = tmp_path / "c" / "journal"
    with catalogs.open(tmp_path / "c"):
        pass
    write(folder, "aaaa1", NOON - DAY, scan_id=1, sample={"id": "film-7", "material": "PZT"}, **explored("map"))
    write(folder, "aaaa2", NOON, scan_id=2, sample={"id": "film-8"}, **explored("optimum", agent="random"))
    write(folder, "bbbb3", NOON + 60, scan_id=3, sample="film-7", plan_name="count")
    write(folder, "%_4", NOON + DAY, scan_id=1, **explored("optimum", "gp", "imprint", "replay:bfo"))
    return folder


@pytest.fixture
def store(journals):
    with catalogs.open(journals.parent, create=False) as catalog:
        yield catalog


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["%_4", "bbbb3", "aaaa2", "aaaa1"]),
        ({"plan": "explore"}, ["%_4", "aaaa2", "aaaa1"]),
        ({"goal": "optimum"}, ["%_4", "aaaa2"]),
        ({"goal": "optimum", "agent": "random"}, ["aaaa2"]),
        ({"agent": "patch_gp"}, ["aaaa1"]),
        ({"objective": "imprint"}, ["%_4"]),
        ({"instrument": "replay:bfo"}, ["%_4"]),
        ({"sample": "film-7"}, ["bbbb3", "aaaa1"]),
        ({"uid": "aaaa"}, ["aaaa2", "aaaa1"]),
        ({"uid": "%"}, ["%_4"]),
        ({"uid": "AAAA"}, []),
        ({"scan_id": 1}, ["%_4", "aaaa1"]),
        ({"since": NOON}, ["%_4", "bbbb3", "aaaa2"]),
        ({"until": NOON}, ["aaaa1"]),
        ({"since": "2026-11-25", "until": "2026-11-25"}, ["bbbb3", "aaaa2"]),
        ({"since": "2026-11-25T12:00:30"}, ["%_4", "bbbb3"]),
        ({"since": datetime.date(2026, 11, 26)}, ["%_4"]),
        ({"until": datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC), "uid": "zz"}, []),
        ({"goal": "' OR 1=1 --"}, []),
    ],
)
def test_runs_are_found_by_what_they_were(store, wanted, found):
    assert [info.uid for info in store.search(**wanted)] == found


def test_what_cannot_be_searched_for_is_said(store):
    with pytest.raises(UnknownNameError, match=r"unknown criterion 'gaol'. Did you mean 'goal'"):
        store.search(gaol="map")
    with pytest.raises(SpecError, match=r"'yesterday' is no date: .*; write 2026-11-25 or"):
        store.search(since="yesterday")


def test_the_index_follows_the_journals(store, journals):
    before = store.runs()
    path = write(journals, "cccc5", NOON + 2 * DAY, stop=False)
    assert store.runs()[0].exit_status == "open"
    assert store.runs()[1:] == before
    write_state(path, "rejected: no room")
    assert store.runs()[0].state == "rejected: no room"
    forget_state(path)
    assert store.runs()[0].state == "pending"
    path.unlink()
    assert store.runs() == before


def test_only_what_changed_is_read(store, journals, monkeypatch):
    store.runs()
    read, original = [], search.read_info
    monkeypatch.setattr(search, "read_info", lambda path: read.append(path) or original(path))
    store.search(goal="map")
    assert read == []
    path = write(journals, "cccc5", NOON + 2 * DAY)
    assert len(store.runs()) == 5
    assert read == [path]
    with catalogs.open(store.root) as other:
        assert len(other.runs()) == 5
    assert read == [path]


def test_an_index_that_is_damaged_old_or_gone_is_made_again(store):
    runs, file = store.runs(), store.root / "runs.index"
    for harm in ("bytes", "version", "columns", "gone"):
        if harm == "bytes":
            file.write_bytes(b"SQLite format 3\0 or so" * 100)
        elif harm == "gone":
            file.unlink()
        else:
            with sqlite3.connect(file) as table:
                table.execute("PRAGMA user_version = 99" if harm == "version" else "DROP TABLE runs")
            table.close()
        assert store.runs() == runs, harm


def test_an_index_that_cannot_be_written_costs_time_only(store, monkeypatch):
    (store.root / "runs.index").unlink(missing_ok=True)
    (store.root / "runs.index").mkdir()
    assert len(store.runs()) == 4
    (store.root / "runs.index").rmdir()
    monkeypatch.setattr(search, "_LOCKED_S", 0.0)
    with sqlite3.connect(store.root / "runs.index", isolation_level=None) as busy:
        busy.execute("BEGIN EXCLUSIVE")
        assert len(store.runs()) == 4
    busy.close()
