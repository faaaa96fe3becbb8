"""The harness that judges which law holds."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks are not installed

from benchmarks.hypotheses import _decided
from benchmarks.law_rules import PUBLISHED, exact_probabilities, run
from benchmarks.law_worlds import GROWTH_LAWS, growth, no_law, toy


def test_probabilities_are_those_of_exact_inference():
    world = growth(3)
    course = run(world, "random", 3, 6)
    assert world.law in GROWTH_LAWS
    assert course.probable[6] == pytest.approx(exact_probabilities(world, course.order), abs=0.08)
    assert course.right[6] == course.probable[6][world.law]


@pytest.mark.parametrize("rule", ["information", PUBLISHED])
def test_rules_measure_each_candidate_once(rule):
    world = toy(1)
    course = run(world, rule, 1, 8)
    assert course.order[:4] == [0, 33, 66, 99]
    assert len(set(course.order)) == 8
    assert set(course.probable) == {4, 5, 6, 7, 8}
    assert np.isnan(course.right[:4]).all()
    assert (course.voted != "") == (rule == PUBLISHED)


def test_worlds_follow_their_seed():
    assert np.array_equal(growth(1).outcomes, growth(1).outcomes)
    assert not np.array_equal(growth(1).outcomes, growth(2).outcomes)
    assert no_law(1).law == "none of these"
    assert no_law(1).options["none_of_these"]
    assert not growth(1).options["none_of_these"]


def test_a_decision_lasts():
    unknown, right = np.full(4, np.nan), [0.2, 0.95, 0.5, 0.95, 0.99]
    assert _decided(np.array([*unknown, *right])) == 7
    assert _decided(np.array([*unknown, 0.95, 0.5])) == 6
