"""One agent, as JSON, on every instrument there is: nothing in it names a device, a unit or a bound."""

from __future__ import annotations

import json

import pytest

from probeline.agents.spec import parse_spec
from probeline.catalog import decisions, replay
from probeline.core.errors import DataError
from probeline.core.registry import BACKENDS
from probeline.devices.factory import instrument_spec
from probeline.plans.explore import explore

from .explorations import journalled

AGENT = json.loads(
    '{"kind": "patch_gp", "seed": 7, "seed_points": 3, "acquisition": "log_ei", "audit": 0.25, "travel": 0.05}'
)
NAMES = [
    f"{backend}:{argument}".rstrip(":")
    for backend in BACKENDS.names()
    for argument in BACKENDS.load(backend).arguments()
]
FIRST = {name.partition(":")[0]: name for name in reversed(NAMES)}  # one of each back-end


def explored(root, name, *, hosted):
    """Explore on an instrument, in this process or in one of its own; return the run."""
    try:
        spec = instrument_spec(name)
    except DataError as absent:
        pytest.skip(str(absent))
    with journalled(root, spec.model_copy(update={"hosted": hosted})) as session:
        options = {key: value for key, value in AGENT.items() if key != "kind"}
        plan = explore(session.instrument, agent=AGENT["kind"], agent_options=options, points=5, batch=2)
        (uid,) = session.RE(plan)
        return session.catalog[uid]


def require_the_same_agent(run, *, hosted):
    about = run.start["probeline"]
    told = parse_spec(about["agent"]).model_dump(mode="json")
    assert {key: told[key] for key in AGENT} == AGENT
    assert about["instrument"]["hosted"] == hosted
    assert run.stop["exit_status"] == "success"
    table = decisions(run)
    assert len(table) == 5
    assert set(table["status"]) <= {"ok", "failed"}  # a replay has no value where nothing was measured
    assert replay(run).exact


def test_there_are_instruments():
    assert {"sim-pfm", "replay"} <= {name.partition(":")[0] for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_agent_runs_on_every_instrument_and_its_record_replays(tmp_path, name):
    require_the_same_agent(explored(tmp_path / "catalog", name, hosted=False), hosted=False)


@pytest.mark.system
@pytest.mark.parametrize("name", FIRST.values())
def test_it_runs_on_an_instrument_in_a_process_of_its_own(tmp_path, name):
    require_the_same_agent(explored(tmp_path / "catalog", name, hosted=True), hosted=True)
