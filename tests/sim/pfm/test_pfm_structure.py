from __future__ import annotations

import numpy as np
import pytest

from probeline.sim.pfm.fields import FAR, GRID, PERIOD, STEP, Maps, axis, blur, random_field, signed_distance
from probeline.sim.pfm.structure import Stripes, draw_structure


def test_random_field_has_unit_variance_and_its_correlation_length():
    field = random_field(np.random.default_rng(0), 50e-9)
    assert field.shape == (GRID, GRID)
    assert abs(field.mean()) < 1e-6
    assert field.std() == pytest.approx(1, abs=1e-6)
    for lag in (5, 10, 20):
        expected = np.exp(-((lag * STEP) ** 2) / (2 * 50e-9**2))
        assert np.mean(field * np.roll(field, lag, axis=1)) == pytest.approx(expected, abs=0.03)


def test_signed_distance_of_a_disc():
    x, y = np.meshgrid(axis(), axis())
    distance = signed_distance(np.hypot(x, y) < 300e-9)
    near = np.abs(300e-9 - np.hypot(x, y)) < 250e-9
    assert np.abs(distance - (300e-9 - np.hypot(x, y)))[near].max() < 1.5 * STEP
    assert np.all(signed_distance(np.ones((GRID, GRID), bool)) == FAR)


def test_signed_distance_is_periodic():
    inside = np.zeros((GRID, GRID), bool)
    inside[:, :20] = True
    distance = signed_distance(inside)
    assert distance[0, 0] == pytest.approx(0.5 * STEP)
    assert distance[0, -1] == pytest.approx(-0.5 * STEP)


def test_blur_keeps_the_mean_and_gives_an_error_function():
    step = np.where(axis() < 0, -1.0, 1.0) * np.ones((GRID, 1))
    soft = blur(step, 20e-9)
    assert soft.mean() == pytest.approx(step.mean(), abs=1e-12)
    from scipy.special import erf

    middle = np.abs(axis()) < 100e-9
    # The step lies half a cell left of the node at 0.
    expected = erf((axis() + 0.5 * STEP) / (np.sqrt(2) * 20e-9))
    assert np.abs(soft[0] - expected)[middle].max() < 0.01


def test_maps_are_bilinear_and_periodic():
    x, y = np.meshgrid(axis(), axis())
    maps = Maps({"zero": 0 * x, "plane": 2 * x + 3 * y + 1e-6})
    px, py = np.array([0.0, 13e-9, -777e-9]), np.array([0.0, -2.5e-9, 501e-9])
    zero, plane = maps.at(px, py, "zero", "plane")
    assert np.all(zero == 0)
    assert np.allclose(plane, 2 * px + 3 * py + 1e-6, atol=2e-12)
    assert np.allclose(maps.at(px + PERIOD, py - 2 * PERIOD, "plane"), plane, atol=2e-12)


def test_stripes_are_as_wide_as_drawn():
    stripes = Stripes(np.array([-400e-9, 300e-9]), np.array([10e-9, 60e-9]), 100e-9)
    u = np.arange(-1e-6, 1e-6, 0.1e-9)
    inside = stripes.distance(u) > 0
    assert inside.sum() * 0.1e-9 == pytest.approx(70e-9, abs=0.3e-9)
    assert stripes.distance(np.array([300e-9]))[0] == pytest.approx(30e-9)


@pytest.mark.parametrize(("walls", "stripes"), [(True, False), (False, True), (True, True)])
def test_structure_has_the_walls_that_were_asked_for(walls, stripes):
    structure = draw_structure(4, "image", walls=walls, stripes=stripes)
    assert np.unique(structure.polarization).size == (2 if walls else 1)
    assert structure.a_fraction.max() == (1 if stripes else 0)
    assert np.all((structure.wall_180 > 0) == (structure.polarization > 0))
    inside = structure.wall_ac > STEP
    assert np.all(structure.a_fraction[inside] == 1)
    if stripes:
        assert 0.02 < structure.a_fraction.mean() < 0.4


def test_roles_are_independent_and_repeatable():
    first = draw_structure(4, "image", walls=True, stripes=False)
    again = draw_structure(4, "image", walls=True, stripes=False)
    other = draw_structure(4, "hidden", walls=True, stripes=False)
    assert np.array_equal(first.wall_180, again.wall_180)
    assert abs(np.corrcoef(first.polarization.ravel(), other.polarization.ravel())[0, 1]) < 0.15
