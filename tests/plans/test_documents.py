"""All documents of all plans keep to event-model's schemas, and their runs in Tiled to the validator of its plugins."""

from __future__ import annotations

from collections import defaultdict

import bluesky.plans as bp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from probeline import catalog as catalogs
from probeline.core.errors import DataError
from probeline.core.paths import data_folder
from probeline.plans.explore import explore
from probeline.plans.session import session_on
from probeline.plans.stubs import prepare

from .documents import check, check_in_tiled

SMALL = {"points": 2, "seed_points": 2}
TWIN = {"size_nm": 1280.0, "pixels": 16, "patch_nm": 250.0}
REPLAYS = ("beacon-dkl", "stem-eds-particles", "beps-pto-50x50")
PLANS = ("explore on the twin", *(f"explore on {data}" for data in REPLAYS), "count", "scan", "grid_scan")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Folder of a catalogue, the runs of each plan, and their documents as they were emitted."""
    root = tmp_path_factory.mktemp("documents") / "catalog"
    uids, emitted = {}, defaultdict(list)

    with catalogs.open(root) as store:
        for plan, instrument, arguments in _explorations():
            with session_on(store, instrument) as session:
                session.RE.subscribe(lambda name, doc, plan=plan: emitted[plan].append((name, doc)))
                uids[plan] = session.RE(explore(session.instrument, **SMALL, **arguments))
        with session_on(store, "sim-pfm") as session:
            session.RE(prepare(session.instrument))
            for plan, messages in _stock_plans(session.instrument):
                token = session.RE.subscribe(lambda name, doc, plan=plan: emitted[plan].append((name, doc)))
                uids[plan] = session.RE(messages)
                session.RE.unsubscribe(token)
        store.flush()
        yield store, {plan: uid for plan, (uid,) in uids.items()}, emitted


def _explorations():
    yield "explore on the twin", "sim-pfm", {**TWIN, "register_every": 1}
    for data in REPLAYS:
        try:
            data_folder(data)
        except DataError:
            continue
        yield f"explore on {data}", f"replay:{data}", {}


def _stock_plans(spm):
    detectors, (x, y) = [spm.spectrometer, spm.clock], (spm.probe.x, spm.probe.y)
    spm.scan.frame.set({"width": 300.0, "height": 200.0, "pixels": 8, "lines": 6})
    yield "count", bp.count([spm.scan, spm.clock], num=2)
    yield "scan", bp.scan(detectors, x, -300.0, 300.0, 3)
    yield "grid_scan", bp.grid_scan(detectors, x, -500.0, 500.0, 2, y, 400.0, 700.0, 2, snake_axes=True)


def run_of(recorded, plan):
    store, uids, _ = recorded
    if plan not in uids:
        pytest.skip(f"the data of {plan} are not here")
    return store[uids[plan]]


@pytest.mark.parametrize("plan", PLANS)
def test_what_is_emitted_is_valid(recorded, plan):
    run_of(recorded, plan)
    documents = recorded[2][plan]
    assert [documents[0][0], documents[-1][0]] == ["start", "stop"]
    check(documents)


@pytest.mark.parametrize("plan", PLANS)
def test_what_the_journal_gives_is_valid(recorded, plan):
    check(run_of(recorded, plan).documents())


@pytest.mark.parametrize("plan", PLANS)
def test_what_tiled_holds_is_valid(recorded, plan):
    run = run_of(recorded, plan)
    assert run.state == "stored"
    check_in_tiled(recorded[0].client[run.uid])


@pytest.mark.parametrize("plan", ["explore on the twin", "count", "scan", "grid_scan"])
# Tiled's writer names the axes of an array by their size, so that two of one size have the same name.
@pytest.mark.filterwarnings("ignore:Duplicate dimension names present:UserWarning")
def test_databroker_reads_it(recorded, plan):
    run = run_of(recorded, plan)
    read = recorded[0].broker[run.uid]
    for ours, theirs in ((run.start, read.start), (run.stop, read.stop)):
        assert ours == {key: theirs[key] for key in ours}
    assert sorted(read.stream_names) == sorted(run.streams())
    for name in {"survey", "primary", "outcome"}.intersection(run.streams()):  # each takes databroker forty requests
        ours, table = run.stream(name), read.table(name, fill=True)
        assert len(table) == ours.sizes["event"]
        assert set(table.columns) - {"time"} == set(ours.data_vars)
        for key, values in ours.data_vars.items():
            assert_array_equal(np.stack([np.asarray(value) for value in table[key]]).astype(values.dtype), values)


@pytest.mark.filterwarnings("ignore:Duplicate dimension names present:UserWarning")
def test_databroker_finds_runs(recorded):
    store, uids, _ = recorded
    found = store.broker
    assert found[-1].start["uid"] == store[-1].uid
    assert next(found[-1].documents())[0] == "start"
    assert len(found[-1].table()) == store[-1].stop["num_events"]["primary"]
    for plan in ("count", "scan", "grid_scan"):
        assert [run.start["uid"] for run in found(plan_name=plan)] == [uids[plan]]
    explored = [uid for plan, uid in uids.items() if plan.startswith("explore")]
    assert {run.start["uid"] for run in found(plan_name="explore")} == set(explored)
    assert list(found(plan_name="no such plan")) == []
