"""The gate admits candidates and refuses everything else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probeline.agents.ledger import Ledger
from probeline.agents.problem import CandidateSpec, Problem, build_problem
from probeline.core.envelope import Envelope
from probeline.plans.gate import Admitted, Gate, Refused


def _problem(separation: float = 0.0) -> Problem:
    axis = np.arange(20) * 10.0
    x, y = np.meshgrid(axis, axis)
    spec = CandidateSpec(patch_pixels=1, separation_nm=separation)
    return build_problem(np.zeros((0, 20, 20)), [], x, y, spec, objective="y")


ENVELOPE = Envelope(limits={"x": (0, 185e-9), "y": (0, 200e-9)})


def test_off_grid_points_snap_within_half_a_step():
    verdict = Gate(_problem(), ENVELOPE).judge({"x": 52.0, "y": 47.0}, (0, 0))
    assert isinstance(verdict, Admitted)
    assert (verdict.x, verdict.y) == (50.0, 50.0)


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        ({"x": math.nan, "y": 0.0}, "not finite"),
        ({"x": 210.0, "y": 50.0}, "nearest candidate"),
        ({"x": 1.3e308, "y": 1.3e308}, "nearest candidate"),
        ({"x": 190.0, "y": 50.0}, "x = 1.9e-07 m was refused"),
    ],
)
def test_refusals_say_why(point, reason):
    verdict = Gate(_problem(), ENVELOPE).judge(point, (0, 0))
    assert isinstance(verdict, Refused)
    assert reason in verdict.reason


def test_the_drift_offset_counts_against_the_envelope():
    gate = Gate(_problem(), ENVELOPE)
    assert isinstance(gate.judge({"x": 180.0, "y": 50.0}, (0, 0)), Admitted)
    assert isinstance(gate.judge({"x": 180.0, "y": 50.0}, (6.0, 0)), Refused)


def test_footprints_must_not_overlap():
    gate = Gate(_problem(separation=25.0), ENVELOPE)
    gate.take(gate.problem.nearest(50, 50))
    assert "measured before" in gate.judge({"x": 50, "y": 50}, (0, 0)).reason
    assert "footprint" in gate.judge({"x": 70, "y": 50}, (0, 0)).reason
    assert isinstance(gate.judge({"x": 80, "y": 50}, (0, 0)), Admitted)


@pytest.mark.parametrize("size", [640.0, 1000.0, 1280.0])
def test_it_admits_what_agents_take_for_admissible(size):
    axis = np.linspace(0, size, 50, endpoint=False)
    spec = CandidateSpec(patch_pixels=1, separation_nm=3 * size / 50)  # an exact multiple of the pixel
    problem = build_problem(np.zeros((0, 50, 50)), [], *np.meshgrid(axis, axis), spec, objective="y")
    gate, ledger = Gate(problem, Envelope(limits={"x": (0, 1), "y": (0, 1)})), Ledger(problem)
    gate.take(problem.nearest(size / 2, size / 2))
    ledger.open(problem.nearest(size / 2, size / 2))
    near = np.flatnonzero(problem.distance((size / 2, size / 2)) < 5)
    admitted = [isinstance(gate.judge(ledger.dofs_of(candidate), (0, 0)), Admitted) for candidate in near]
    np.testing.assert_array_equal(admitted, ledger.admissible[near])


def test_a_point_between_candidates_takes_the_nearest_that_is_free():
    gate = Gate(_problem(), ENVELOPE)
    between = {"x": 54.0, "y": 50.0}
    gate.take(gate.judge(between, (0, 0)).candidate)
    second = gate.judge(between, (0, 0))
    assert (second.x, second.y) == (60.0, 50.0)
    gate.take(second.candidate)
    assert "measured before" in gate.judge(between, (0, 0)).reason


@given(st.floats(), st.floats(), st.tuples(st.floats(-50, 50), st.floats(-50, 50)))
def test_nothing_outside_the_envelope_is_ever_admitted(x, y, offset):
    verdict = Gate(_problem(), ENVELOPE).judge({"x": x, "y": y}, offset)
    if isinstance(verdict, Admitted):
        assert 0 <= (verdict.x + offset[0]) * 1e-9 <= 185e-9
        assert 0 <= (verdict.y + offset[1]) * 1e-9 <= 200e-9
        assert math.hypot(verdict.x - x, verdict.y - y) <= 10 * math.sqrt(0.5) * (1 + 1e-6)
