"""Maps of the posterior lie in a file: whole, announced when they are there, and the same after a rewind."""

from __future__ import annotations

import shutil
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted

from probeline.catalog.paths import locate
from probeline.catalog.player import rebuilt, rows_of
from probeline.catalog.replaying import maker_of, problem_of
from probeline.core.errors import DataError
from probeline.plans import closed_loop
from probeline.plans.explore import explore
from probeline.plans.session import open_session

from .documents import check, check_in_tiled

MAPS = ("mean", "std", "acquisition")
SMALL = {
    "size_nm": 640.0,
    "pixels": 16,
    "patch_nm": 200.0,
    "seed_points": 2,
    "points": 3,
    "agent": "gp",
    "register_every": 0,
}


@pytest.fixture(scope="module")
def pfm(tmp_path_factory):
    """A session with Tiled, unlike that of the other tests of plans."""
    with open_session("sim-pfm", tmp_path_factory.mktemp("pfm") / "catalog", {"seed": 3}) as session:
        yield session


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Record maps after every measurement."""
    monkeypatch.setattr(closed_loop, "POSTERIOR_EVERY", 1)


def explore_until(session, command):
    """Explore and pause right after the message ``command`` that belongs to the second posterior."""
    opened = []

    def hook(message):
        if (message.command, message.kwargs.get("name")) == ("create", "posterior"):
            opened.append(message)
        if len(opened) == 2 and message.command == command:
            opened.append(message)
            session.RE.loop.create_task(session.RE._request_pause_coro())

    session.RE.msg_hook = hook
    with pytest.raises(RunEngineInterrupted):
        session.RE(explore(session.instrument, **SMALL))
    session.RE.msg_hook = None


def believed(run):
    """Return the maps of every posterior as the agent has them when it is rebuilt from the record."""
    found, problem = [], problem_of(run)
    rows, outcomes = rows_of(run, "optimization"), rows_of(run, "outcome")
    for made in run.stream("posterior")["decision"].values:
        player = rebuilt(maker_of(run), problem, rows[:made], outcomes)
        player.feed(made)
        found.append(player.agent.posterior())
    return found


def require_right(session, events):
    """Raise unless journal and Tiled give the maps that the agent had, in ``events`` events."""
    session.catalog.flush()
    run = session.catalog[-1]
    check(run.documents())
    stored = check_in_tiled(session.catalog.client[run.uid])
    expected = believed(run)
    assert len(expected) == events
    for read in (run, stored):
        posterior = read.stream("posterior")
        for name in MAPS:
            np.testing.assert_array_equal(posterior[name].values, np.stack([maps[name] for maps in expected]))
            np.testing.assert_array_equal(read.last("posterior", name), expected[-1][name])


def path_of(run):
    """Return the file of the maps."""
    (uri,) = {doc["uri"] for name, doc in run.documents() if name == "stream_resource" and doc["data_key"] in MAPS}
    return locate(uri, None)


def test_maps_are_external_and_in_one_file(pfm):
    (uid,) = pfm.RE(explore(pfm.instrument, **SMALL))
    run = pfm.catalog[uid]
    stream = run.documents_of("posterior")
    assert all(list(event["data"]) == ["decision", "pending"] for event in stream.events.values())
    resources = [doc for name, doc in run.documents() if name == "stream_resource" and doc["data_key"] in MAPS]
    assert [doc["data_key"] for doc in resources] == list(MAPS)
    count = len(problem_of(run))
    with h5py.File(path_of(run)) as file:
        for doc in resources:
            key: Any = stream.data_keys[doc["data_key"]]
            data: Any = file[doc["parameters"]["dataset"]]
            assert (key["external"], key["shape"], key["dtype_numpy"]) == ("STREAM:", [count], "<f8")
            assert list(data.chunks) == doc["parameters"]["chunk_shape"]
            assert (data.shape, data.attrs["units"]) == ((3, count), key["units"])
            assert (pfm.catalog.data_root / doc["relative_path"]).samefile(path_of(run))


@pytest.mark.parametrize("command", ["read", "save"])
def test_maps_are_right_after_a_pause(pfm, command):
    explore_until(pfm, command)
    pfm.RE.resume()
    require_right(pfm, 3)
    with h5py.File(path_of(pfm.catalog[-1])) as file:
        rows = [file[f"entry/data/{name}"].shape[0] for name in MAPS]  # pyright: ignore[reportAttributeAccessIssue]
    assert rows == [4 if command == "save" else 3] * 3  # once saved they were announced, and are there twice


def test_maps_that_were_never_announced_leave_the_file(pfm):
    explore_until(pfm, "read")
    pfm.RE.abort(reason="enough")
    require_right(pfm, 1)
    h5py.File(path_of(pfm.catalog[-1]), "a").close()  # nobody has it open


def test_maps_that_the_disk_has_no_room_for_end_the_run_with_its_reason(pfm, monkeypatch):
    whole = shutil.disk_usage(pfm.catalog.data_root)

    def fill(name, doc):
        if doc["data"].get("status"):
            monkeypatch.setattr(shutil, "disk_usage", lambda _: whole._replace(free=1_000_000))

    token = pfm.RE.subscribe(fill, "event")
    with pytest.raises(DataError, match=r"a posterior of \d+ candidates was refused: .* 1.0 MB left; free space"):
        pfm.RE(explore(pfm.instrument, **SMALL))
    pfm.RE.unsubscribe(token)
    run = pfm.catalog[-1]
    assert run.stop["exit_status"] == "fail"
    assert "free space" in run.stop["reason"]
    assert "posterior" not in run.streams()
