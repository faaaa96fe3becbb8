"""Structures beside c and a domains: polycrystals and needles."""

from __future__ import annotations

import numpy as np
import pytest

from probeline.sim.pfm.fields import STEP
from probeline.sim.pfm.film import Film
from probeline.sim.pfm.grains import draw_grains
from probeline.sim.pfm.needles import draw_needles


@pytest.mark.parametrize("draw", [draw_grains, draw_needles])
def test_structures_follow_their_seed_and_role(draw):
    first, again = draw(5000, "image"), draw(5000, "image")
    assert np.array_equal(first.height, again.height)
    assert np.array_equal(first.wall_ac, again.wall_ac)
    for other in (draw(5001, "image"), draw(5000, "hidden")):
        assert not np.array_equal(first.polarization, other.polarization)


@pytest.mark.parametrize("seed", [5000, 5001])
def test_a_grain_has_one_polarity_and_one_lean_and_a_groove_around_it(seed):
    grains = draw_grains(seed, "image")
    assert set(np.unique(grains.polarization)) == {-1.0, 1.0}
    assert 0.15 < np.mean(grains.polarization > 0) < 0.85
    assert grains.a_fraction.min() >= 0
    assert grains.a_fraction.max() <= 0.5  # 60 degrees
    inside = grains.wall_ac < -2 * STEP
    for axis in (0, 1):
        both = inside & np.roll(inside, 1, axis)
        for field in (grains.polarization, grains.a_fraction):
            assert np.array_equal(field[both], np.roll(field, 1, axis)[both])
    assert grains.height[grains.wall_ac > 0].mean() < grains.height[grains.wall_ac < -8 * STEP].mean() - 0.2e-9


@pytest.mark.parametrize("seed", [5000, 5001])
def test_needles_are_the_minority_and_their_tips_lie_outside(seed):
    needles = draw_needles(seed, "image")
    up = float(np.mean(needles.polarization > 0))
    assert 0.1 < min(up, 1 - up) < 0.4
    minority = needles.polarization == (1.0 if up < 0.5 else -1.0)
    tips = needles.wall_ac > 0
    assert 50 < tips.sum() < 5000
    assert not minority[tips].any()
    beside = np.any([np.roll(minority, (i, j), (0, 1))[tips] for i in range(-3, 4) for j in range(-3, 4)], axis=0)
    assert beside.mean() > 0.9
    assert (needles.a_fraction == 0).all()


@pytest.mark.parametrize("family", ["grains", "needles"])
def test_other_structures_obey_the_same_law(family):
    film, c180 = Film.draw(5000, family, 10e-9), Film.draw(5000, "c180", 10e-9)
    scalars = {name: value for name, value in vars(film.law).items() if name != "trend"}
    assert scalars == {name: value for name, value in vars(c180.law).items() if name != "trend"}
    grid = np.linspace(-0.6e-6, 0.6e-6, 40)
    properties = film.properties_at(*np.meshgrid(grid, grid))
    assert np.isfinite(properties).all()
    assert properties[0].min() > 0.2
