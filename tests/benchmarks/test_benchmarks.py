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

from benchmarks.admission import admission_tables
from benchmarks.claim_tables import published_table
from benchmarks.claims import CLAIMS, NET_CLAIMS, Claim, judge, paired
from benchmarks.contest_tables import audit_table, net_advice, net_table
from benchmarks.goal_times import goal_table, restricted_times
from benchmarks.loops import ANY_GOAL, AUDITED, REGRESSION, SEED_POINTS, Record, regression_records, run_loop
from benchmarks.nulls import check_relation
from benchmarks.page import Section, cost_table, render
from benchmarks.run_all import make_parts
from benchmarks.spectra import METHODS, pieces, spectra_table
from benchmarks.suite import BUDGETS, FIRST_SEED, PUBLISHED, Job, entries_of, jobs
from benchmarks.tables import Table, number, rate, spread
from benchmarks.task_tables import lost_table, task_table
from benchmarks.tasks import FAMILIES, Task, exact, film_task, is_locked, task_names
from benchmarks.work import Part, do_all, results
from probeline.core.errors import SpecError

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
    assert last.hit == int(np.flatnonzero(np.isin(greedy.order, task.best))[0]) + 1
    assert last.hit_s == SIDE + last.hit * 2.0
    assert last.failed == np.isnan(greedy.values).sum()
    assert first.cpu_s == 0.0 <= last.cpu_s  # only decisions after the seed points cost anything
    assert len(set(greedy.order.tolist())) == 20
    # 20 lines of 1 s and 2 s per measurement; this timing moves for nothing.
    assert [first.instrument_s, last.instrument_s] == [SIDE + 10 * 2.0, SIDE + 20 * 2.0]
    model = run_loop(task, "patch_gp", "map", (20,)).records[0]
    assert 0.5 < model.coverage_outcomes <= 1.0
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
    assert judge(ours, claims) == []  # nothing was run to compare with
    a, b = paired(ours[:5] + theirs, claims[0])
    assert len(a) == len(b) == 5  # only seeds that both have
    lost = lost_table(ours + theirs)
    assert {(row[2], row[4], row[7]) for row in lost.rows} >= {("simple regret", "gp", "yes")}
    assert not any(row[2] == "best 1 % measured" for row in lost.rows)


def test_claims_are_made_on_every_task_that_has_a_relation_and_the_net_on_real_or_locked_ones():
    assert {claim.task for claim in CLAIMS} == {task for task in task_names() if "null" not in task}
    assert len(CLAIMS) == 14
    assert [claim.agent for claim in NET_CLAIMS] == ["dkl"] * 4
    assert all(is_locked(claim.task) or not claim.task.startswith("pfm-") for claim in NET_CLAIMS)


def test_published_run_is_compared_in_the_right_direction():
    budgets = zip(PUBLISHED, (9, 8, 12), strict=True)
    records = [record("patch_gp", s, budget=b, top=top, mse_all=0.002) for b, top in budgets for s in range(2)]
    rows = published_table(records).rows
    assert [row[-2] for row in rows] == ["yes", "**no**", "yes", "yes", "-"]  # against 8, 9, 12 and 0.00955
    assert [row[-1] for row in rows] == ["better", "**worse**", "level", "better", "-"]  # 8.8, 11.7, 12, 0.0026


def test_jobs_cover_every_task_and_development_leaves_the_locked_ones_alone():
    work = jobs(FIRST_SEED)
    assert {job.task for job in work} == set(task_names())
    assert len(task_names()) == 2 + len(FAMILIES)
    for task in task_names():
        assert [job.seed for job in work if job.task == task] == list(range(FIRST_SEED, FIRST_SEED + 30))
    assert all(job.relation == job.task.startswith("pfm-") for job in work)
    assert {job.task for job in jobs(1000)} == {task for task in task_names() if not is_locked(task)}
    assert {task for task in task_names() if is_locked(task)} == {"pfm-grains", "pfm-needles"}
    for claim in CLAIMS + NET_CLAIMS:
        run = {(entry.agent, entry.goal) for entry in entries_of(claim.task)} | {(REGRESSION, claim.goal)}
        assert {(claim.agent, claim.goal), (claim.against, claim.goal)} <= run | {
            (agent, claim.goal) for agent, goal in run if agent == "greedy_channel"
        }


def test_times_to_the_goal_are_restricted_to_what_every_loop_was_watched_for():
    def last(agent: str, **scores: float) -> Record:
        return record(agent, 0, budget=100, **scores)

    records = [
        last("patch_gp", hit=20, hit_s=60.0, instrument_s=220.0),
        last("gp", hit=90, hit_s=205.0, instrument_s=210.0),
        last("random", hit=0, hit_s=0.0, instrument_s=200.0),  # the quickest: nobody is watched for longer than it
    ]
    times = restricted_times(records, "beacon-dkl", ("random", "gp", "patch_gp", "dkl"))
    assert {agent: (points[0], seconds[0]) for agent, (points, seconds) in times.items()} == {
        "random": (100, 200.0), "gp": (90, 200.0), "patch_gp": (20, 60.0),
    }  # fmt: skip
    more = [dataclasses.replace(one, seed=1) for one in records]
    rows = {row[1]: row for row in goal_table(records + more, ("random", "gp", "patch_gp")).rows}
    assert rows["gp"][5:] == ("-70 [-70, -70]", "-140 [-140, -140]")
    assert rows["patch_gp"][5:] == ("-", "-")


def test_when_to_use_which_follows_from_the_differences():
    def both(net: float, plain: float) -> list[Record]:
        return [
            record(agent, seed, top=top, nlpd=1.0 + 0.01 * seed, rmse=0.1, cpu_s=cost)
            for agent, top, cost in (("dkl", net, 0.03), ("patch_gp", plain, 0.01))
            for seed in range(12)
        ]

    assert [row[-1] for row in net_table(both(9, 5)).rows] == ["`dkl`"]
    assert [row[-1] for row in net_table(both(5, 9)).rows] == ["`patch_gp`"]
    (level,) = net_table(both(5, 5)).rows
    assert level[-2:] == ("3.0", "level")
    assert "Use `patch_gp`: nothing here speaks for `dkl`" in net_advice(both(5, 9))
    advice = net_advice(both(9, 5))
    assert advice.startswith("Use `dkl` for what it is better at here")
    assert "By the primary metric, `dkl` is better on beacon-dkl at 50; `patch_gp` on none." in advice
    assert "By NLPD, `dkl` is better on none" in advice


def test_audits_are_compared_with_none():
    records = [record(agent, seed, top=top) for agent, top in (("patch_gp", 9), (AUDITED, 7)) for seed in range(3)]
    rows = audit_table(records).rows
    assert [row[1] for row in rows] == ["best 1 % measured", "simple regret"]
    assert rows[0][3:6] == ("9.00 ± 0", "7.00 ± 0", "-2 [-2, -2]")


def test_a_strategy_is_better_in_the_direction_of_its_contest():
    found = [{"diverse": {"new": 0.8, "old": 0.5}, "travel": {"new": 0.8, "old": 0.5}} for _ in range(3)]
    assert [table.rows[1][-1] for table in admission_tables(found)] == ["yes", "**no, worse**"]


def test_coverage_is_marked_where_it_misses_the_goal():
    records = [record("gp", seed, coverage_outcomes=0.7, coverage=0.7) for seed in range(2)]
    (row,) = task_table(records, "beacon-dkl", 1000).rows
    assert row[10:12] == ("0.700 ± 0", "**0.700 ± 0**")


def halve(number: int) -> float:
    return number / 2


def test_results_are_kept_in_order_and_not_done_again(tmp_path):
    kept, part = tmp_path / "kept.jsonl", Part("halves", (4, 6), halve)
    assert results(list(do_all([part], 1, kept, "numbers")), "halves") == [2.0, 3.0]
    more = Part("halves", ("never", 6, 8), halve)  # the first is known, so nobody halves it
    assert results(list(do_all([more], 1, kept, "numbers")), "halves") == [2.0, 3.0, 4.0]
    with pytest.raises(SpecError, match="holds results of"):
        list(do_all([part], 1, kept, "other numbers"))
    assert [row[:2] for row in cost_table(list(do_all([part], 1, kept, "numbers")), [part]).rows] == [
        ("halves", "3"), ("all", "3"),
    ]  # fmt: skip


def test_a_run_has_at_least_thirty_pairs_and_a_hundred_toys():
    of = {part.name: part.pieces for part in make_parts(FIRST_SEED, 30)}
    assert isinstance(of["loops"][0], Job)
    assert len(of["admission"]) == 30
    assert len(of["laws"]) == 100
    assert len({seed for _, seed in of["functions"]}) == 20
    assert len({seed for _, seed in of["spectra"]}) == 20
    assert min(of["laws"]) >= 200  # seeds below were shown before
    assert {name for name, _ in of["nulls"]} >= {"twin, trend only (null_trend)"}


def test_spectra_are_compared_with_those_of_the_net():
    def rows(seed, **errors):
        common = {"task": "pfm-mixed", "size": 30, "seed": seed, "cpu_s": 0.1}
        return [{**common, "method": method, "rmse": errors.get(method, 3.0), "coverage": 0.9} for method in METHODS]

    table = spectra_table([rows(0, dkl=1.0, patch_gp=2.0), rows(1, dkl=2.0, patch_gp=3.0)])
    by_method = {row[2]: row for row in table.rows}
    assert by_method["patch_gp"][5] == "+1 [+1, +1]"
    assert by_method["dkl"][5] == ""
    assert all(not is_locked(task) for task, _ in pieces(1000, 1))
    assert any(is_locked(task) for task, _ in pieces(200, 1))


def test_tables_are_markdown():
    table = Table("Title", ("a", "b"), (("1", "2"),))
    assert table.markdown() == "**Title**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert "Nothing." in Table("Title", ("a",), ()).markdown()
    assert number(0.0123456) == "0.0123"
    assert number(1234.5) == "1234"
    assert number(1e-7) == "1.00e-07"
    assert number(float("nan")) == "-"
    assert spread([1.0, 3.0]) == "2.00 ± 13"  # 12.7 standard errors of the mean of two
    assert rate(1, 20).startswith("5.0 % (0.1 to 24.9)")
    page = render([Section("Heading", "Words.", [table])], "Seeds 0 to 29")
    assert "Seeds 0 to 29; probeline" in page
    assert "## Heading\n\nWords.\n\n**Title**" in page
    assert page.count("| 1 | 2 |") == 1
    assert BUDGETS == (20, 50, 100)
