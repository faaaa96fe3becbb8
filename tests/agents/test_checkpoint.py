import json
import math
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from probeline.agents.check import landscape
from probeline.agents.checkpoint import load_checkpoint, save_checkpoint
from probeline.agents.spec import spec_for
from probeline.core.errors import DataError, RefusedError
from probeline.core.registry import AGENTS

from .worlds import agent_on, run, small_problem


def worked(problem, kind="dkl", steps=14, **options):
    """Return an agent with outcomes, a failure, an adopted and an external point, and one pending suggestion."""
    agent = agent_on(problem, kind, seed_points=4, **options)
    run(agent, problem, steps)
    agent.register_failures(agent.suggest(1))
    free = problem.points[np.flatnonzero(np.isfinite(agent.posterior()["acquisition"]))[0]]
    (adopted,) = agent.register_suggestions([{"x": free[0], "y": free[1]}])
    agent.ingest([{"_id": adopted["_id"], "area": 0.25, "area_sigma": 0.125}])
    agent.ingest([{"x": problem.points[9, 0], "y": problem.points[9, 1], "area": 0.5}])
    agent.suggest(1)
    return agent


def parts(path):
    with safe_open(path, framework="pt") as opened:
        return json.loads(opened.metadata()["probeline"]), {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


def rewritten(path, change):
    header, tensors = parts(path)
    change(header, tensors)
    save_file(tensors, path, {"probeline": json.dumps(header)})
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    problem = small_problem()
    path = tmp_path_factory.mktemp("saved") / "agent.ckpt"
    agent = worked(problem)
    save_checkpoint(agent, path)
    return problem, path, agent


@pytest.mark.parametrize("kind", [kind for kind in AGENTS.names() if kind not in ("sgp", "hypothesis")])
def test_a_restored_agent_goes_on_to_the_bit(problem, tmp_path, kind):
    agent = worked(problem, kind)
    save_checkpoint(agent, tmp_path / "a.ckpt")
    again = load_checkpoint(tmp_path / "a.ckpt", problem)
    for one, other in zip(agent.posterior().values(), again.posterior().values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert agent.log == again.log
    assert run(agent, problem, 5) == run(again, problem, 5)
    numbers = range(agent.decisions)
    told = [[{k: v for k, v in a.explain({"_id": n}).items() if "seconds" not in k} for n in numbers]
            for a in (agent, again)]  # fmt: skip
    assert json.dumps(told[0]) == json.dumps(told[1])


@pytest.mark.parametrize("goal", ["map", "diverse"])
@pytest.mark.parametrize("drift", [False, True])
def test_covariances_are_restored_to_the_bit_long_after_a_fit(tmp_path, goal, drift):
    problem = small_problem(pixels=18)
    agent = agent_on(problem, "gp", goal, drift=drift)
    run(agent, problem, 140)  # fitted after 123 outcomes; single columns were put together since
    agent.suggest(20)
    save_checkpoint(agent, tmp_path / "a.ckpt")
    again = load_checkpoint(tmp_path / "a.ckpt", problem)
    np.testing.assert_array_equal(agent.posterior()["acquisition"], again.posterior()["acquisition"])


def test_restoring_repeats_no_fit(saved, monkeypatch):
    problem, path, agent = saved
    monkeypatch.setattr("probeline.agents.gaussian.process.fit", lambda *_: pytest.fail("fitted again"))
    np.testing.assert_array_equal(load_checkpoint(path, problem).posterior()["mean"], agent.posterior()["mean"])


def test_bluesky_adaptive_checkpoints_it(problem, tmp_path):
    from bluesky_adaptive.protocols import Checkpointable

    assert isinstance(agent_on(problem, "random"), Checkpointable)
    agent = worked(problem, "gp")
    with pytest.raises(RefusedError, match="checkpoint_path"):
        agent.checkpoint()
    agent.checkpoint_path = tmp_path / "a.ckpt"
    agent.checkpoint()
    assert load_checkpoint(tmp_path / "a.ckpt", problem).decisions == agent.decisions


def test_another_problem_is_refused(saved):
    _, path, _ = saved
    with pytest.raises(RefusedError, match="belongs to problem"):
        load_checkpoint(path, small_problem(seed=1))


HOSTILE = {
    "unknown field": lambda h, t: h.update(code="import os"),
    "unknown call": lambda h, t: h["log"].append({"call": "__init__", "argument": 1}),
    "wrong argument": lambda h, t: h["log"].append({"call": "suggest", "argument": []}),
    "newer format": lambda h, t: h.update(format=2),
    "missing decision": lambda h, t: h["explanations"].pop(),
    "more decisions": lambda h, t: h["explanations"].append(h["explanations"][-1]),
    "impossible candidate": lambda h, t: h["explanations"][0].update(candidate=10**9),
    "candidate twice": lambda h, t: h["explanations"][1].update(candidate=h["explanations"][0]["candidate"]),
    "endless suggestions": lambda h, t: h["log"].append({"call": "suggest", "argument": 10**12}),
    "outcome of nothing": lambda h, t: h["log"].append({"call": "ingest", "argument": [{"_id": 10**6, "area": 1.0}]}),
    "infinite outcome": lambda h, t: h["log"][1]["argument"][0].update(area=math.inf),
    "negative noise": lambda h, t: h["cache"].update(noise=-1.0),
    "noise that is text": lambda h, t: h["cache"].update(noise="much"),
    "fit off schedule": lambda h, t: h["cache"].update(fits=1000),
    "missing value": lambda h, t: h["cache"].pop("mean"),
    "infinite scale": lambda h, t: t.update(scales=t["scales"] * math.inf),
    "negative scale": lambda h, t: t.update(scales=-t["scales"]),
    "single precision": lambda h, t: t.update(scales=t["scales"].float()),
    "too many scales": lambda h, t: t.update(scales=torch.ones(9, dtype=torch.float64)),
    "missing weights": lambda h, t: t.pop("net.last.weight"),
    "larger weights": lambda h, t: t.update({"net.last.weight": torch.zeros(99, 99, dtype=torch.float64)}),
    "weights of another net": lambda h, t: t.update({"net.more": torch.zeros(1)}),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_what_contradicts_itself_is_refused(saved, tmp_path, change):
    problem, path, _ = saved
    copy = tmp_path / "a.ckpt"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="checkpoint"):
        load_checkpoint(rewritten(copy, change), problem)


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0), st.integers(0, 255), st.integers(0, 3))
def test_damaged_bytes_are_refused_or_harmless(saved, tmp_path_factory, place, byte, cut):
    problem, path, _ = saved
    damaged = bytearray(path.read_bytes())
    damaged[place % len(damaged)] = byte
    copy = tmp_path_factory.getbasetemp() / "damaged.ckpt"
    copy.write_bytes(damaged[: len(damaged) - cut])
    try:
        agent = load_checkpoint(copy, problem)
    except (DataError, RefusedError):
        return
    assert np.isfinite(agent.posterior()["mean"]).all()


def test_a_pickle_is_refused(problem, tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"a": Harm()}, tmp_path / "a.ckpt")
    with pytest.raises(DataError, match="is no checkpoint"):
        load_checkpoint(tmp_path / "a.ckpt", problem)
    assert not (tmp_path / "harm").exists()


def test_a_large_file_is_refused_unread(problem, tmp_path):
    with (tmp_path / "a.ckpt").open("wb") as file:
        file.truncate(300_000_000)
    with pytest.raises(DataError, match="300 MB, 256 MB is the limit"):
        load_checkpoint(tmp_path / "a.ckpt", problem)


def test_an_older_checkpoint_stays_when_writing_fails(problem, tmp_path, monkeypatch):
    agent, path = worked(problem, "random"), tmp_path / "a.ckpt"
    save_checkpoint(agent, path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(agent, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.ckpt"]


def test_options_and_landscape_are_kept(tmp_path):
    problem = small_problem(channels=())
    agent = worked(problem, "gp", kernel="rbf", ard=True)
    save_checkpoint(agent, tmp_path / "a.ckpt")
    assert load_checkpoint(tmp_path / "a.ckpt", problem).spec == spec_for(
        "gp", "optimum", {"seed_points": 4, "kernel": "rbf", "ard": True}
    )
    assert landscape(problem).shape == (len(problem),)


@pytest.mark.parametrize(
    "change",
    [
        lambda h, t: h["cache"].update(count=math.inf),
        lambda h, t: h["spec"]["options"].update(hidden=10**13),
        lambda h, t: h["spec"].update(kind="nobody"),
        lambda h, t: t.update(scales=t["scales"] * 1e-300),
        lambda h, t: t.update(scales=t["scales"].to(torch.float8_e4m3fn)),
    ],
)
def test_absurd_numbers_are_refused(saved, tmp_path, change):
    problem, path, _ = saved
    copy = tmp_path / "a.ckpt"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="checkpoint"):
        load_checkpoint(rewritten(copy, change), problem)
