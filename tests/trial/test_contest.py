"""Who reaches a goal first, and what is made of it."""

from __future__ import annotations

import json
from itertools import islice

import numpy as np
import pytest

from probeline.agents.spec import make_agent, spec_for
from probeline.core.errors import SpecError, UnknownNameError
from probeline.trial.contest import MAP, OPTIMUM, Attempt, Entrant, Look, attempt, entrants, looks, reach
from probeline.trial.loop import closed_loop
from probeline.trial.run import run_trial
from probeline.trial.saving import judge
from probeline.trial.task import make_task
from probeline.trial.verdict import as_json, headline, sentences, table

from .maps import measured, smooth


@pytest.fixture(scope="module")
def related():
    """A property that is the image, with two measurements that fail."""
    image = smooth(11, pixels=15, length=1.5)
    values = image + 0.01 * smooth(12, pixels=15, length=0.5)
    chosen = measured(values, image)
    chosen.sought.measured[...] = True
    values[10, 10] = values[9, 5] = np.nan
    return chosen


def test_entrants_share_their_first_points_and_failures_cost_a_point(related):
    task = make_task(related)
    orders = []
    for kind in ("random", "greedy_channel", "patch_gp"):
        agent = make_agent(spec_for(kind, OPTIMUM, seed=3), task.problem)
        orders.append([step.candidate for step in islice(closed_loop(agent, task.problem, task.measure), 12)])
    assert orders[0][:10] == orders[1][:10] == orders[2][:10]
    bad = np.flatnonzero(np.isnan(task.values))
    assert len(bad) == 2
    assert task.measure(int(bad[0])).flag == "failed"
    agent = make_agent(spec_for("random", OPTIMUM, seed=3), task.problem)
    steps = list(islice(closed_loop(agent, task.problem, task.measure), len(task.problem)))
    assert {step.candidate for step in steps} == set(range(len(task.problem)))
    assert [s.candidate for s in steps if s.scalar.flag != "ok"] == [
        c for c in (s.candidate for s in steps) if c in bad
    ]


def test_the_search_ends_at_one_of_the_best(related):
    task = make_task(related)
    entrant = Entrant(OPTIMUM, "greedy_channel", "greedy_channel")
    done = attempt(task, entrant, 0, np.nan)
    agent = make_agent(spec_for("greedy_channel", OPTIMUM, seed=0), task.problem)
    order = [step.candidate for step in islice(closed_loop(agent, task.problem, task.measure), done.points)]
    assert done.reached
    assert order[-1] in task.best
    assert not set(order[:-1]) & set(task.best.tolist())
    hopeless = attempt(task, Entrant(MAP, "gp", "gp"), 0, 0.0)
    assert (hopeless.points, hopeless.reached) == (task.budget, False)


def test_a_map_is_looked_at_every_five_points(related):
    task = make_task(related)
    curve = list(looks(task, Entrant(MAP, "random", "gp"), 1))
    assert [look.points for look in curve] == [10, 15, 20, 25, 30, 35, 39]  # the last at a third of the map
    assert curve[-1].error < curve[0].error
    with_image = list(looks(task, Entrant(MAP, "random", "patch_gp"), 1))
    assert with_image[-1].error < curve[-1].error
    assert reach(curve, curve[2].error) == Attempt(20, True, curve[2].cpu_s / 20)
    assert reach([Look(10, 2.0, 0.1), Look(16, 1.5, 0.5)], 1.0) == Attempt(16, False, 0.03125)


def scores(**points):
    """Attempts of a search that takes these points: constant, or one value per seed."""
    made = {}
    for entrant in entrants(has_image=True):
        key = entrant.chooses if entrant.goal == OPTIMUM else "map"
        values = np.broadcast_to(points.get(key, 50), 20)
        made[entrant] = [Attempt(int(value), True, 0.0) for value in values]
    return made


def test_yes_no_and_undetermined():
    spread = np.arange(20) % 7
    yes = judge(OPTIMUM, scores(random=40 + spread, space_filling=45, greedy_channel=35 + spread, patch_gp=20))
    assert (yes.answer, yes.agent, yes.baseline) == ("yes", "patch_gp", "greedy_channel")
    saved = yes.best.saved_best
    assert saved.low > 0
    assert saved.mean_difference == pytest.approx(15 + spread.mean())
    assert yes.confidence == pytest.approx(1 - 0.05 / 4)
    # The rule that follows the image is better: no, although random points are beaten by far.
    no = judge(OPTIMUM, scores(greedy_channel=10, patch_gp=12 + spread))
    assert (no.answer, no.baseline) == ("no", "greedy_channel")
    assert no.of("patch_gp").saved_random.low > 0
    wide = 30 + 25 * (-1) ** np.arange(20)
    assert (
        judge(OPTIMUM, scores(random=32, space_filling=32, greedy_channel=32, patch_gp=wide)).answer == "undetermined"
    )
    assert judge(MAP, scores()).answer == "no"


def test_a_trial_in_words_numbers_and_json(related):
    seen = []
    trial = run_trial(related, seeds=3, progress=lambda *step: seen.append(step))
    assert {what for what, _, _ in seen} == {
        "relation of image and property", "maps without an agent", "agents and rules",
    }  # fmt: skip
    assert all(0 <= done < total for _, done, total in seen)
    assert trial.relation.found
    assert trial.target < 0.5 * trial.spread
    values = json.loads(json.dumps(as_json(trial)))
    assert values["relation"]["p_value"] == trial.relation.p_value
    assert [goal["goal"] for goal in values["goals"]] == ["optimum", "map"]
    assert values["answer"] == headline(trial)
    best = values["goals"][0]["scores"][0]
    title, columns, rows = table(trial.answers[0])
    assert (title, rows[0][0], rows[0][1]) == ("best place", best["who"], f"{best['points']:.1f}")
    assert len(columns) == len(rows[0])
    words = sentences(trial)
    assert words[0].startswith(f"Best place (one of the best 1 %: at least {trial.task.tolerance:.4g} V)")
    assert words[2].startswith(f"Image and property: related (p = {trial.relation.p_value:.3g}, reported up to 0.025")


def test_of_equal_values_each_is_one_of_the_best():
    values = np.zeros((10, 10))
    values[3:6, 4:7] = 1.0
    trial = run_trial(measured(values, None), seeds=2)
    assert trial.task.tolerance == 1.0
    np.testing.assert_array_equal(trial.task.best, np.flatnonzero(trial.task.values == 1.0))
    assert sentences(trial)[0].startswith("Best place (one of the best 9 %, as many are equal: at least 1 V)")
    assert as_json(trial)["reach_tolerance"] == 9


def too_late(*step):
    raise AssertionError(f"loops have begun: {step}")


@pytest.mark.parametrize("name", ["random", "space_filling", "greedy_channel", "grid"])
def test_an_agent_without_a_model_is_refused_before_any_loop(name):
    with pytest.raises(SpecError, match=f"agent '{name}' was refused: it has no model"):
        run_trial(measured(smooth(13, pixels=8), None), further=[name], progress=too_late)
    with pytest.raises(SpecError, match="law"):  # one that needs options
        run_trial(measured(smooth(13, pixels=8), None), further=["sgp"], progress=too_late)


def test_without_an_image_there_is_less_to_say():
    trial = run_trial(measured(smooth(13, pixels=8), None), seeds=2, further=["dkl", "auto", "patch_gp"])
    assert trial.relation == "there is no image"
    assert "Image and property: not tested, there is no image." in sentences(trial)
    assert {score.entrant.label for score in trial.answers[0].scores} == {
        "random", "space_filling", "gp", "dkl", "patch_gp",
    }  # fmt: skip
    with pytest.raises(UnknownNameError, match="unknown agent 'gq'"):
        run_trial(measured(smooth(13, pixels=8), None), further=["gq"])


def test_the_agent_that_is_named_is_one_that_saves_time():
    wide = 31 + 25 * (-1) ** np.arange(20)  # fewer points on average, but who knows
    found = judge(OPTIMUM, scores(random=40, space_filling=40, greedy_channel=40, gp=32, patch_gp=wide))
    assert (found.answer, found.agent) == ("yes", "gp")
    assert found.best.saved_best.low > 0
