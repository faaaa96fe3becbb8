"""Which loops are run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .loops import AUDITED, Record, regression_records, run_loop
from .nulls import RelationCheck, check_relation
from .tasks import is_locked, make_task, task_names

BUDGETS = (20, 50, 100)
PUBLISHED = (60, 110, 310)  # the published run counts its 50, 100 and 300 steps after ten first points
MODEL_FREE = ("random", "grid", "space_filling", "greedy_channel")
FIRST_SEED = 90  # a default that was changed after a look at the tables is confirmed on the next block
SEEDS = 30
DEVELOPMENT_SEED = 1000
MEASURED = ("stem-eds-particles", "beacon-dkl")
AUDITED_TASKS = ("beacon-dkl", "pfm-c180", "pfm-mixed")


@dataclass(frozen=True)
class Entry:
    """One agent at one goal, and its budgets."""

    agent: str
    goal: str
    budgets: tuple[int, ...] = BUDGETS


@dataclass(frozen=True)
class Job:
    """Everything that is run on one task of one seed; it shares the task and the ten first points."""

    task: str
    seed: int
    entries: tuple[Entry, ...]
    relation: bool


def entries_of(task: str) -> tuple[Entry, ...]:
    """Return what is run on a task."""
    entries = [Entry(agent, "optimum") for agent in MODEL_FREE]
    longer = tuple(sorted({*BUDGETS, *PUBLISHED})) if task == "beacon-dkl" else BUDGETS
    entries += [Entry("gp", "optimum"), Entry("patch_gp", "optimum", longer)]
    if task == "stem-eds-particles":
        slow = (Entry(agent, "map", BUDGETS[:2]) for agent in ("gp", "dkl"))  # a fifth of all time with 100 points
        return (*entries, Entry("patch_gp", "map"), *slow)
    if (
        "null" not in task
    ):  # where the image decides nothing, a net on it decides nothing either, at three times the cost
        entries.append(Entry("dkl", "optimum"))
    if task in AUDITED_TASKS:
        entries.append(Entry(AUDITED, "optimum"))
    return tuple(entries)


def jobs(first_seed: int, most: int = SEEDS) -> list[Job]:
    """Return all jobs, the longest first, with at most ``most`` seeds; locked tasks on reported seeds only."""
    films = [task for task in task_names() if task not in MEASURED]
    tasks = [task for task in (*MEASURED, *films) if first_seed < DEVELOPMENT_SEED or not is_locked(task)]
    seeds = range(first_seed, first_seed + min(most, SEEDS))
    return [Job(task, seed, entries_of(task), task in films) for task in tasks for seed in seeds]


def run_job(job: Job) -> dict[str, list[dict[str, Any]]]:
    """Run all loops of a job; records and checks are their fields."""
    task = make_task(job.task, job.seed)
    records: list[Record] = []
    for entry in job.entries:
        loop = run_loop(task, entry.agent, entry.goal, entry.budgets)
        records += loop.records
        if entry.agent == "random":
            records += regression_records(task, loop, entry.budgets)
    checks = [check_relation(task)] if job.relation else []
    return {"records": [asdict(record) for record in records], "checks": [asdict(check) for check in checks]}


def collect(found: Sequence[dict[str, list[dict[str, Any]]]]) -> tuple[list[Record], list[RelationCheck]]:
    """Return what jobs found, ordered by task, agent, goal, seed and budget."""
    records = [Record(**record) for one in found for record in one["records"]]
    records.sort(key=lambda record: (record.task, record.agent, record.goal, record.seed, record.budget))
    return records, [RelationCheck(**check) for one in found for check in one["checks"]]
