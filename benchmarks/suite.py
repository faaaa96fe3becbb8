"""Which loops are run, and how they are spread over processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from .loops import Record, regression_records, run_loop
from .nulls import RelationCheck, check_relation
from .tasks import make_task, task_names

BUDGETS = (20, 50, 100)
PUBLISHED = (60, 110, 310)  # the published run counts its 50, 100 and 300 steps after ten first points
MODEL_FREE = ("random", "grid", "space_filling", "greedy_channel")
FIRST_SEED = 60  # a default that was changed after a look at the tables is confirmed on the next block
SEEDS = 30
DEVELOPMENT_SEED = 1000


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


@dataclass(frozen=True)
class JobResult:
    """What came out of one job."""

    records: list[Record]
    relation: RelationCheck | None


def entries_of(task: str) -> tuple[Entry, ...]:
    """Return what is run on a task."""
    entries = [Entry(agent, "optimum") for agent in MODEL_FREE]
    goals = ("optimum", "map") if task == "stem-eds-particles" else ("optimum",)
    for agent in ("gp", "patch_gp", "dkl"):
        longer = task == "beacon-dkl" and agent == "patch_gp"
        budgets = tuple(sorted({*BUDGETS, *PUBLISHED})) if longer else BUDGETS
        entries += [Entry(agent, goal, budgets) for goal in goals]
    return tuple(entries)


def jobs(first_seed: int, most: int = SEEDS) -> list[Job]:
    """Return all jobs, the longest first, with at most ``most`` seeds."""
    made = []
    for index in range(min(most, SEEDS)):
        for task in ("stem-eds-particles", "beacon-dkl", *task_names()[2:]):
            made.append(Job(task, first_seed + index, entries_of(task), task.startswith("pfm-")))
    return made


def run_job(job: Job) -> JobResult:
    """Run all loops of a job."""
    task = make_task(job.task, job.seed)
    records: list[Record] = []
    for entry in job.entries:
        loop = run_loop(task, entry.agent, entry.goal, entry.budgets)
        records += loop.records
        if entry.agent == "random":
            records += regression_records(task, loop, entry.budgets)
    return JobResult(records, check_relation(task) if job.relation else None)


def run_jobs(work: Sequence[Job], processes: int) -> Iterator[JobResult]:
    """Run jobs in fresh processes and yield results as they come; one process runs them here."""
    if processes == 1:
        yield from map(run_job, work)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(run_job, job) for job in work]):
            yield future.result()
