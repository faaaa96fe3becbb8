"""The conformance suite that every agent has to pass, ours and everybody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import RefusedError
from .problem import Problem
from .protocols import Agent

Make = Callable[[int], Agent]
_TIMES = ("fit_seconds", "suggest_seconds")
_STEPS = 8


def check_agent(make: Make, problem: Problem) -> None:
    """Check that an agent keeps what the rest of the package relies on.

    Parameters
    ----------
    make : callable
        Returns a new agent on ``problem`` for a seed (int). Its ``spec`` must be a pydantic
        model whose JSON describes it completely, its ``log`` what
        :func:`~probeline.agents.spec.rebuild_agent` takes.
    problem : Problem
        At least 64 candidates; where they keep a separation, room for 32 measurements.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.
    ValueError
        When the problem is too small for the suite.
    """
    room = _room(problem)
    if len(problem) < 64 or room < 32:
        raise ValueError(f"the suite needs 64 candidates and room for 32 measurements, got {len(problem)} and {room}")
    for promise in (
        _speaks_the_protocol,
        _suggests_each_candidate_once,
        _repeats_itself,
        _follows_its_seed,
        _ignores_being_asked,
        _has_a_json_spec,
        _takes_outcomes_in_any_order,
        _follows_its_direction,
        _learns_external_points,
        _refuses_nonsense,
        _says_when_it_is_done,
    ):
        promise(make, problem)


def landscape(problem: Problem) -> np.ndarray:
    """Return a smooth objective over the candidates, shape (candidate,), for checks only."""
    place = (problem.points - problem.points.min(axis=0)) / (np.ptp(problem.points, axis=0) + 1e-12)
    return np.sin(3 * place[:, 0]) + np.cos(5 * place[:, -1])


def drive(agent: Agent, problem: Problem, steps: int, fail: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Run the loop of an experiment and return the explanation of each decision, without times.

    Parameters
    ----------
    agent : Agent
        Works on ``problem``.
    problem : Problem
        Gives the outcomes by :func:`landscape`.
    steps : int
        Suggestions to make, one by one.
    fail : tuple of int
        Steps whose suggestion is registered as a failure.
    """
    truth, told = landscape(problem), []
    for step in range(steps):
        point = agent.suggest(1)[0]
        reason: dict[str, Any] = dict(agent.explain(point))
        told.append({name: value for name, value in reason.items() if name not in _TIMES})
        if step in fail:
            agent.register_failures([point])
        else:
            agent.ingest([{"_id": point["_id"], problem.objective: truth[reason["candidate"]]}])
    return told


def _speaks_the_protocol(make: Make, problem: Problem) -> None:
    agent = make(0)
    _promise(isinstance(agent, Agent), "an agent has all methods of the protocol")
    point = agent.suggest()[0]
    _promise(set(point) == {"_id", *problem.dofs}, f"a suggestion has an id and the degrees of freedom, got {point}")
    _promise(json.loads(json.dumps(dict(point))) == dict(point), "a suggestion is JSON")
    json.dumps(dict(agent.explain(point)))
    agent.ingest([{"_id": point["_id"], problem.objective: 1.0}])
    best = agent.get_best_points()
    _promise(len(best) == 1 and best[0][0] == point["_id"], "get_best_points returns the only point measured")
    _promise(best[0][2] == {problem.objective: 1.0}, "get_best_points returns the outcome")


def _suggests_each_candidate_once(make: Make, problem: Problem) -> None:
    agent = make(1)
    told = drive(agent, problem, _STEPS, fail=(1, 6))
    batch = agent.suggest(5)
    told += [dict(agent.explain(point)) for point in batch]
    candidates = [entry["candidate"] for entry in told]
    _promise(len(set(candidates)) == len(candidates), "no candidate is suggested twice, measured, pending or failed")
    _promise(len({point["_id"] for point in batch}) == 5, "ids are unique")
    for point, entry in zip(batch, told[_STEPS:], strict=True):
        here = problem.points[entry["candidate"]]
        _promise([point[name] for name in problem.dofs] == here.tolist(), "a suggestion lies at its candidate")
    belief = agent.posterior()
    for name in ("mean", "std", "acquisition"):
        _promise(belief[name].shape == (len(problem),), f"posterior {name} has one value per candidate")
    _promise(bool(np.isfinite(belief["mean"]).all() and np.isfinite(belief["std"]).all()), "the belief is finite")
    _promise(bool((belief["std"] >= 0).all()), "a standard deviation is not negative")
    _promise(bool(np.isnan(belief["acquisition"][candidates]).all()), "what was suggested is not admissible")
    _promise(told[_STEPS - 1]["n_seen"] == _STEPS - 3, "n_seen counts outcomes")
    _promise(told[_STEPS - 1]["n_failed"] == 2, "n_failed counts failures")


def _repeats_itself(make: Make, problem: Problem) -> None:
    agent, again = make(2), make(2)
    first, second = drive(agent, problem, _STEPS, fail=(3,)), drive(again, problem, _STEPS, fail=(3,))
    _promise(_text(first) == _text(second), "the same calls give the same suggestions, reasons and digests")
    third = drive(make(2), problem, _STEPS - 4, fail=(3,))
    _promise(_text(third) == _text(first[: _STEPS - 4]), "a decision does not depend on later ones")


def _follows_its_seed(make: Make, problem: Problem) -> None:
    one, other = drive(make(3), problem, 3), drive(make(4), problem, 3)
    _promise([e["candidate"] for e in one] != [e["candidate"] for e in other], "another seed gives other points")


def _ignores_being_asked(make: Make, problem: Problem) -> None:
    agent, truth = make(5), landscape(problem)
    expected = drive(make(5), problem, _STEPS)
    for entry in expected:
        agent.posterior()
        agent.get_best_points()
        point = agent.suggest(1)[0]
        _promise(agent.explain(point)["candidate"] == entry["candidate"], "asking for the belief changes nothing")
        agent.ingest([{"_id": point["_id"], problem.objective: truth[entry["candidate"]]}])


def _has_a_json_spec(make: Make, problem: Problem) -> None:
    from .spec import AgentSpec, rebuild_agent

    agent = make(6)
    drive(agent, problem, _STEPS, fail=(2,))
    agent.suggest(1)
    spec: AgentSpec = agent.spec  # pyright: ignore[reportAttributeAccessIssue]
    log = json.loads(json.dumps(agent.log))  # pyright: ignore[reportAttributeAccessIssue]
    again = rebuild_agent(json.loads(spec.model_dump_json()), problem, log)
    _promise(_text(drive(agent, problem, 3)) == _text(drive(again, problem, 3)), "a rebuilt agent goes on identically")


def _takes_outcomes_in_any_order(make: Make, problem: Problem) -> None:
    name = problem.objective
    for first, second in ((0, 1), (1, 0)):
        agent = make(10)
        pair = agent.suggest(2)
        agent.ingest([{"_id": pair[first]["_id"], name: 7.0, f"{name}_sigma": 0.5}])
        agent.ingest([{"_id": pair[second]["_id"], name: 7.0, f"{name}_sigma": 0.5}])
        told = agent.suggest(1)[0]
        _promise(agent.explain(told)["n_seen"] == 2, "outcomes of two pending suggestions count")
        entries = [point for entry in agent.log if entry["call"] == "ingest" for point in entry["argument"]]  # pyright: ignore[reportAttributeAccessIssue]
        _promise([e["_id"] for e in entries] == [pair[first]["_id"], pair[second]["_id"]], "the log keeps the order")
        _promise(all(e.get(f"{name}_sigma") == 0.5 for e in entries), "the log keeps the sigma")
    for number in (0, 1):
        agent = make(10)
        pair = agent.suggest(2)
        agent.ingest([{"_id": pair[number]["_id"], name: 9.0}])
        best = agent.get_best_points()
        _promise(
            [best[0][1][dof] for dof in problem.dofs] == [pair[number][dof] for dof in problem.dofs],
            "an outcome belongs to the suggestion whose id it has, whichever is newest",
        )


def _follows_its_direction(make: Make, problem: Problem) -> None:
    from .spec import AgentSpec, make_agent

    spec: AgentSpec = make(11).spec  # pyright: ignore[reportAttributeAccessIssue]
    for direction, wanted in (("max", 2.0), ("min", 1.0)):
        agent = make_agent(spec.model_copy(update={"direction": direction}), problem)
        pair = agent.suggest(2)
        agent.ingest([{"_id": pair[0]["_id"], problem.objective: 1.0}, {"_id": pair[1]["_id"], problem.objective: 2.0}])
        found = agent.get_best_points()[0][2][problem.objective]
        _promise(found == wanted, f"with direction {direction!r} the best of 1 and 2 is {wanted:g}")


def _learns_external_points(make: Make, problem: Problem) -> None:
    agent = make(7)
    near = problem.points[20] + 0.3 * np.broadcast_to(problem.steps, problem.points.shape)[20]
    agent.ingest([{**_place(problem, near), problem.objective: 5.0}])
    adopted = agent.register_suggestions([_place(problem, problem.points[40])])[0]
    agent.ingest([{"_id": adopted["_id"], problem.objective: 6.0}])
    best = agent.get_best_points()[0]
    _promise(best[2][problem.objective] in (5.0, 6.0), "external points count among the best")
    told = drive(agent, problem, _STEPS)
    _promise({20, 40}.isdisjoint(entry["candidate"] for entry in told), "external points are not suggested again")
    _promise(told[0]["n_seen"] == 2, "external points count as outcomes")
    far = float(np.abs(problem.points).max()) * 10 + 1e6
    outside = _place(problem, np.full(len(problem.dofs), far))
    _refused(lambda: agent.ingest([{**outside, problem.objective: 1.0}]), "a point far from all candidates")


def _refuses_nonsense(make: Make, problem: Problem) -> None:
    agent = make(8)
    point = agent.suggest(1)[0]
    for value in (float("nan"), float("inf")):
        _refused(
            lambda value=value: agent.ingest([{"_id": point["_id"], problem.objective: value}]), f"outcome {value}"
        )
    _refused(lambda: agent.ingest([{"_id": point["_id"]}]), "an outcome that is missing")
    agent.ingest([{"_id": point["_id"], problem.objective: 1.0}])
    _refused(
        lambda: agent.ingest([{"_id": point["_id"], problem.objective: 1.0}]), "a second outcome of one suggestion"
    )
    _refused(lambda: agent.suggest(0), "no points")
    _refused(lambda: agent.explain({"_id": 10**6}), "an explanation of what was not suggested")


def _says_when_it_is_done(make: Make, problem: Problem) -> None:
    agent = make(9)
    _refused(lambda: agent.suggest(len(problem) + 1), "more points than there are candidates")
    fresh = drive(make(9), problem, 2)
    _promise(_text(drive(agent, problem, 2)) == _text(fresh), "a refused call changes nothing")


def _room(problem: Problem) -> int:
    """Return how many candidates can be measured when each is the first that is still free."""
    free, count = np.ones(len(problem), bool), 0
    while free.any():
        first = int(np.argmax(free))
        away = np.linalg.norm(problem.points - problem.points[first], axis=1)
        free &= away >= problem.separation_nm
        free[first] = False
        count += 1
    return count


def _place(problem: Problem, values: np.ndarray) -> dict[str, float]:
    return dict(zip(problem.dofs, values.tolist(), strict=True))


def _text(told: list[dict[str, Any]]) -> str:
    return json.dumps(told)


def _promise(kept: bool, what: str) -> None:
    if not kept:
        raise AssertionError(f"not kept: {what}")


def _refused(call: Callable[[], Any], what: str) -> None:
    try:
        call()
    except RefusedError:
        return
    raise AssertionError(f"not kept: {what} is refused with a RefusedError")
