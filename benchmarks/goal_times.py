"""How long it took to measure the first of the best 1 %, in points and in instrument seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .claim_tables import labelled
from .claims import DEFAULT, difference
from .loops import ANY_GOAL, Record
from .suite import BUDGETS
from .tables import Table, interval, spread
from .tasks import task_names

Array = NDArray[np.float64]
MOST = BUDGETS[-1]


def restricted_times(records: Sequence[Record], task: str, agents: Sequence[str]) -> dict[str, tuple[Array, Array]]:
    """Return points and instrument seconds to the goal by agent, each of shape (seed,), for agents that searched.

    A loop that has not reached the goal counts as what it was watched for: 100 points, and the seconds
    that 100 points took whoever was quickest on that seed, so that every loop was watched at least so long.
    """
    last = [
        record
        for record in records
        if (record.task, record.budget) == (task, MOST)
        and record.goal in ("optimum", ANY_GOAL)
        and record.agent in agents
    ]
    horizon: dict[int, float] = {}
    for record in last:
        horizon[record.seed] = min(record.instrument_s, horizon.get(record.seed, np.inf))
    times: dict[str, tuple[Array, Array]] = {}
    for agent in agents:
        found = sorted((record for record in last if record.agent == agent), key=lambda record: record.seed)
        points = [record.hit or MOST for record in found]
        seconds = [min(record.hit_s or np.inf, horizon[record.seed]) for record in found]
        if found:
            times[agent] = np.array(points, float), np.array(seconds)
    return times


def goal_table(records: Sequence[Record], agents: Sequence[str]) -> Table:
    """Return restricted means of every task, and what the default agent takes less than each other one."""
    rows = []
    for task in task_names():
        times = restricted_times(records, task, agents)
        for agent, (points, seconds) in times.items():
            row = [labelled(task), agent, str(len(points)), spread(points.tolist()), spread(seconds.tolist())]
            for ours, theirs in zip(times[DEFAULT], (points, seconds), strict=True):
                same = agent == DEFAULT or len(ours) != len(theirs)
                row.append("-" if same else interval(difference(ours, theirs)))
            rows.append(tuple(row))
    header = ("task", "agent", "seeds", "points to the goal", "instrument s to the goal",
              f"{DEFAULT} less this, points", f"{DEFAULT} less this, s")  # fmt: skip
    return Table(f"Time to the first of the best 1 %, restricted at {MOST} points: means", header, tuple(rows))
