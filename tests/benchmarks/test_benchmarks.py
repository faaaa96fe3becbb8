"""The harness of the benchmarks on a small synthetic task."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from probeline.agents.problem import CandidateSpec, build_problem
from probeline.analysis.measurement import Scalar
from probeline.core.rng import generator
from probeline.sim.replay.dataset import Timing

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks are not installed

from benchmarks.claims import Claim, judge, paired
from benchmarks.loops import ANY_GOAL, REGRESSION, SEED_POINTS, Record, regression_records, run_loop
from benchmarks.nulls import check_relation
from benchmarks.page import lost_table, published_table, render
from benchmarks.run_all import load, save
from benchmarks.suite import BUDGETS, PUBLISHED, entries_of, jobs
from benchmarks.tables import Table, number, spread
from benchmarks.tasks import FAMILIES, Task, exact, film_task, task_names

SIDE = 20


def synthetic(seed: int, *, informative: bool = True) -> Task:
    """The property is the image itself, or has nothing to do with it; one measurement fails."""
    rng = generator(seed, "synthetic")
    image = rng.standard_normal((SIDE, SIDE))
    x, y = np.meshgrid(np.arange(SIDE, dtype=float), np.arange(SIDE, dtype=float))
    spec = CandidateSpec(channels=("haadf",), patch_pixels=3)
    problem = build_problem(image[None], ["haadf"], x, y, spec, objective="counts")
    hidden = image if informative else rng.standard_normal((SIDE, SIDE))
    truth = hidden[problem.pixel[:, 0], problem.pixel[:, 1]]

    def measure(candidate: int) -> Scalar:
        noise = 0.01 * generator(seed, "noise", candidate).standard_normal()
        flag = "poor_fit" if candidate == 5 else "ok"
        return Scalar(float(truth[candidate] + noise), 0.01, 1.0, flag, "counts")

    return Task("synthetic", seed, problem, measure, truth, truth, exact, Timing(spectrum_s=2.0, line_s=1.0), SIDE)


def record(agent: str, seed: int, **scores: float) -> Record:
    values = {field.name: 0.0 for field in dataclasses.fields(Record)}
    values |= {"task": "beacon-dkl", "agent": agent, "goal": "optimum", "seed": seed, "budget": 50, "spec": ""}
    return Record(**{**values, **scores})


def test_agents_of_one_seed_share_their_first_points():
    task = synthetic(1000)
    orders = [run_loop(task, agent, "optimum", (12,)).order for agent in ("random", "greedy_channel", "gp", "patch_gp")]
    for order in orders[1:]:
        np.testing.assert_array_equal(order[:SEED_POINTS], orders[0][:SEED_POINTS])
    other = run_loop(synthetic(1001), "random", "optimum", (12,)).order
    assert not np.array_equal(other[:SEED_POINTS], orders[0][:SEED_POINTS])


def test_loop_end_to_end_finds_what_the_image_shows():
    task = synthetic(1000)
    greedy = run_loop(task, "greedy_channel", "optimum", (10, 20))
    assert [r.budget for r in greedy.records] == [10, 20]
    first, last = greedy.records
    assert (last.goal, last.agent, last.seed) == (ANY_GOAL, "greedy_channel", 1000)
    assert last.regret == last.regret_recommended == 0.0  # the brightest pixels come right after the seed points
    assert last.top == len(task.best)
    assert last.optima == task.regions.max()
    assert last.failed == np.isnan(greedy.values).sum()
    assert first.cpu_s == 0.0 <= last.cpu_s  # only decisions after the seed points cost anything
    assert len(set(greedy.order.tolist())) == 20
    # 20 lines of 1 s and 2 s per measurement; this timing moves for nothing.
    assert [first.instrument_s, last.instrument_s] == [SIDE + 10 * 2.0, SIDE + 20 * 2.0]
    model = run_loop(task, "patch_gp", "map", (20,)).records[0]
    assert model.goal == "map"
    assert model.rmse < last.rmse  # the other predicts the mean


def test_channel_regression_is_exact_where_the_property_is_the_channel():
    task = synthetic(1002)
    loop = run_loop(task, "random", "optimum", (20,))
    (straight,) = regression_records(task, loop, (20,))
    assert straight.agent == REGRESSION
    assert straight.rmse < 0.02 < loop.records[0].rmse
    assert 0.5 < straight.coverage <= 1.0


def test_same_loop_twice_gives_the_same_numbers():
    first, again = (run_loop(synthetic(1003), "gp", "optimum", (14,)) for _ in range(2))
    np.testing.assert_array_equal(first.order, again.order)
    assert dataclasses.replace(first.records[0], cpu_s=0.0) == dataclasses.replace(again.records[0], cpu_s=0.0)


def test_relation_is_reported_where_there_is_one_and_not_where_there_is_none():
    assert check_relation(synthetic(1000)).reported
    null = check_relation(synthetic(1000, informative=False))
    assert not null.reported
    assert 0 <= null.p_value <= 1


@pytest.mark.parametrize("family", ["mixed", "null_trend"])
def test_film_task_measures_the_truth_with_its_noise_in_any_order(family):
    task = film_task(family, 1000)
    assert len(task.problem) == 66 * 66  # 80 pixels less 7 on each side
    picked = [3, 2000, 17]
    found = {candidate: task.measure(candidate) for candidate in picked}
    again = {candidate: task.measure(candidate) for candidate in reversed(picked)}
    assert found == again
    z = [(found[c].value - task.truth[c]) / found[c].sigma for c in picked]
    assert np.abs(z).max() < 5


def test_claims_follow_sign_and_size_of_the_difference():
    ours = [record("patch_gp", seed, top=9, regret=0.5) for seed in range(12)]
    theirs = [record("gp", seed, top=seed % 4, regret=0.1 + 0.01 * seed) for seed in range(12)]
    claims = [Claim("beacon-dkl", "optimum", metric, "gp") for metric in ("top", "regret", "rmse")]
    assert [verdict.outcome for verdict in judge(ours + theirs, claims)] == ["holds", "refuted", "open"]
    a, b = paired(ours[:5] + theirs, "beacon-dkl", "optimum", 50, "top", "gp")
    assert len(a) == len(b) == 5  # only seeds that both have
    lost = lost_table(ours + theirs)
    assert {(row[2], row[4], row[7]) for row in lost.rows} >= {("simple regret", "gp", "yes")}
    assert not any(row[2] == "best 1 % measured" for row in lost.rows)


def test_published_run_is_compared_in_the_right_direction():
    budgets = zip(PUBLISHED, (9, 8, 12), strict=True)
    records = [record("patch_gp", s, budget=b, top=top, mse_all=0.002) for b, top in budgets for s in range(2)]
    rows = published_table(records).rows
    assert [row[-2] for row in rows] == ["yes", "**no**", "yes", "yes", "-"]  # against 8, 9, 12 and 0.00955
    assert [row[-1] for row in rows] == ["better", "**worse**", "level", "better", "-"]  # 8.8, 11.7, 12, 0.0026


def test_jobs_cover_every_task_and_the_measured_data_have_thirty_seeds():
    work = jobs(1000)
    assert {job.task for job in work} == set(task_names())
    assert len(task_names()) == 2 + len(FAMILIES)
    for task in ("beacon-dkl", "stem-eds-particles"):
        of_task = [job for job in work if job.task == task]
        assert [job.seed for job in of_task] == list(range(1000, 1030))
        assert all(job.entries == entries_of(task) for job in of_task)
    assert all(job.relation == job.task.startswith("pfm-") for job in work)


def test_tables_are_markdown():
    table = Table("Title", ("a", "b"), (("1", "2"),))
    assert table.markdown() == "**Title**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert "Nothing." in Table("Title", ("a",), ()).markdown()
    assert number(0.0123456) == "0.0123"
    assert number(1234.5) == "1234"
    assert number(1e-7) == "1.00e-07"
    assert number(float("nan")) == "-"
    assert spread([1.0, 3.0]) == "2.00 ± 13"  # 12.7 standard errors of the mean of two
    page = render([table], (0, 29))
    assert "Seeds 0 to 29" in page
    assert page.count("| 1 | 2 |") == 1


def test_records_survive_a_file(tmp_path):
    records = [record("gp", 0, top=1)]
    checks = [check_relation(synthetic(1000))]
    save(tmp_path / "records.json", records, checks)
    assert load(tmp_path / "records.json") == (records, checks)
    assert BUDGETS == (20, 50, 100)
