from __future__ import annotations

import numpy as np
import pytest

from probeline.sim.pfm.law import Law, property_maps
from probeline.sim.pfm.loops import polygon_area, sweep
from probeline.sim.pfm.spectroscopy import DEFAULTS, FOOTPRINT
from probeline.sim.pfm.structure import draw_structure
from probeline.sim.pfm.writing import Written, domain_radius

GRID = np.linspace(-2.4e-6, 2.4e-6, 90)
X, Y = np.meshgrid(GRID, GRID)


def image_against_loops(world) -> float:
    """Return the correlation of response magnitude and true loop area over the scan range."""
    _, response = world.surface(X, Y)
    area = world.truth(X, Y, DEFAULTS, 1.0)["area"]
    return float(np.corrcoef(np.abs(response).ravel(), area.ravel())[0, 1])


@pytest.mark.parametrize("family", ["c180", "ac_stripes", "mixed", "grains", "needles"])
def test_switching_follows_structure(make_world, family):
    assert image_against_loops(make_world(seed=2, family=family)) > 0.3


@pytest.mark.parametrize("family", ["null_hidden", "null_trend"])
@pytest.mark.parametrize("seed", [1, 2])
def test_null_worlds_show_no_relation(make_world, family, seed):
    world = make_world(seed=seed, family=family)
    assert abs(image_against_loops(world)) < 0.12
    height, response = world.surface(X, Y)
    height -= world.tip.slope[0] * X + world.tip.slope[1] * Y
    area = world.truth(X, Y, DEFAULTS, 1.0)["area"]
    for image in (height, response):
        assert abs(np.corrcoef(image.ravel(), area.ravel())[0, 1]) < 0.12


def test_null_worlds_look_like_others(make_world):
    mixed, hidden = make_world(seed=2, family="mixed"), make_world(seed=2, family="null_hidden")
    assert np.array_equal(mixed.surface(X, Y)[1], hidden.surface(X, Y)[1])
    areas = [world.truth(X, Y, DEFAULTS, 1.0)["area"] for world in (mixed, hidden)]
    assert not np.array_equal(*areas)


def test_coercive_bias_imprint_and_switchable_response_follow_the_distance_to_walls():
    """The map is the law of ``Law`` plus the random fields, whose spread is known."""
    for seed, family in ((2, "c180"), (5, "c180"), (3, "mixed")):
        structure = draw_structure(seed, "image", walls=True, stripes=family == "mixed")
        law, psf = Law.draw(seed), 1e-12  # a tip so sharp that nothing is blurred
        maps = property_maps(law, structure, seed, psf)
        grid = np.arange(-512, 512) * 5e-9
        coercivity, switchable, offset, _ = maps.at(*np.meshgrid(grid, grid), *maps.names)
        near_180 = np.exp(-np.abs(structure.wall_180) / law.length_180)
        near_ac = np.exp(-np.abs(structure.wall_ac) / law.length_ac)
        walls = np.stack([np.ones_like(near_180), near_180, near_ac], axis=-1).reshape(-1, 3)
        if family == "c180":
            walls = walls[:, :2]
        for found, expected, spread in (
            (coercivity, (1, -law.wall_180, -law.wall_ac), law.bond),
            (offset, (law.imprint, law.imprint_180, law.imprint_ac), law.disorder),
        ):
            fitted, residual, *_ = np.linalg.lstsq(walls, found.ravel(), rcond=None)
            assert np.allclose(fitted, expected[: walls.shape[1]], atol=0.1 * spread + 0.01)
            assert np.sqrt(residual[0] / found.size) == pytest.approx(spread, rel=0.05)
        c_domain = structure.a_fraction == 0
        assert np.allclose(switchable[c_domain], (1 - law.pinned * near_180)[c_domain], atol=1e-6)


def test_imprint_and_response_of_measured_loops_differ_at_walls(make_world):
    world = make_world(seed=2, family="c180")
    truth = world.truth(X, Y, DEFAULTS, 1.0)
    _, response = world.surface(X, Y)
    law, share = world.film.law, np.abs(response) / world.film.law.d33
    wall, far = share < 0.3, share > 0.99
    moved = truth["imprint"][wall].mean() - truth["imprint"][far].mean()
    assert moved == pytest.approx(law.imprint_180 * 0.75, abs=0.1)
    assert truth["height"][wall].mean() < (1 - 0.5 * law.pinned) * truth["height"][far].mean()


def test_coercive_bias_is_lower_where_the_image_shows_a_wall(make_world):
    world = make_world(seed=2, family="c180")
    _, response = world.surface(X, Y)
    coercive = world.truth(X, Y, DEFAULTS, 1.0)["coercive"]
    share = np.abs(response) / world.film.law.d33
    assert coercive[share < 0.3].mean() < (1 - 0.5 * world.film.law.wall_180) * coercive[share > 0.99].mean()


def test_law_stays_in_its_stated_ranges():
    laws = [Law.draw(seed) for seed in range(200)]
    ranges = {
        "coercive": (2.5, 3.5),
        "wall_180": (0.15, 0.35),
        "length_180": (30e-9, 60e-9),
        "wall_ac": (-0.45, 0.3),
        "length_ac": (40e-9, 80e-9),
        "imprint": (-0.5, 0.5),
        "disorder": (0.2, 0.4),
        "bond": (0.02, 0.06),
        "onset": (0.7, 0.95),
        "d33": (30e-12, 60e-12),
    }
    for name, (low, high) in ranges.items():
        values = np.array([getattr(law, name) for law in laws])
        assert low <= values.min() < low + 0.2 * (high - low)
        assert high - 0.2 * (high - low) < values.max() <= high
    pinning = np.mean([law.wall_ac < 0 for law in laws])
    assert 0.35 < pinning < 0.65


def test_switching_has_begun_at_the_nucleation_bias(make_world):
    from probeline.sim.pfm.loops import branches

    world = make_world(seed=2)
    loops, _ = world.loops(X[0], Y[0], 2.0)
    coercive = 0.5 * (loops.v_plus - loops.v_minus)
    imprint = 0.5 * (loops.v_plus + loops.v_minus)
    for point in range(0, 90, 10):
        _, up = branches(np.array([imprint[point] + world.film.law.onset * coercive[point]]), loops)
        assert up[point, 0] == pytest.approx(0.06 / (1 + world.film.law.completion), rel=1e-3)


def test_coercive_bias_grows_six_percent_per_decade_of_frequency(make_world):
    world = make_world(seed=2)
    slow, _ = world.loops(X[0], Y[0], 1.0)
    fast, _ = world.loops(X[0], Y[0], 10.0)
    ratio = (fast.v_plus - fast.v_minus) / (slow.v_plus - slow.v_minus)
    assert np.allclose(ratio, 1.06, rtol=1e-12)


def test_a_domains_respond_and_switch_less(make_world):
    world = make_world(seed=2, family="ac_stripes")
    loops, _ = world.loops(X.ravel(), Y.ravel(), 1.0)
    _, response = world.surface(X, Y)
    switchable = loops.switchable / (2 * world.film.law.d33)
    share = np.abs(response).ravel() / world.film.law.d33
    assert switchable.max() == pytest.approx(1, abs=1e-3)
    assert switchable.min() < 0.5
    # Both are linear in the share of a domain under the tip: 0.3 and 0.2 of a c domain; no 180 degree wall pins.
    assert np.allclose((1 - switchable) / 0.8, (1 - share) / 0.7, atol=0.02)


def test_footprint_covers_what_a_default_loop_changes():
    seconds = DEFAULTS["cycles"] * 2 * DEFAULTS["steps"] * DEFAULTS["step_time"]
    radius = domain_radius(DEFAULTS["v_max"], 0.05 * seconds)
    assert 30e-9 < radius < FOOTPRINT
    act = {"x": 0.0, "y": 0.0, "radius": radius, "polarization": -1.0, "imprint": 0.15}
    for psf in (15e-9 / 2.3548, 35e-9 / 2.3548):  # the sharpest tip and the bluntest
        kept, polarization, imprint = Written([act], psf).felt(np.array([FOOTPRINT, FOOTPRINT + 40e-9]), np.zeros(2))
        assert np.all(kept > [0.9, 0.999])
        assert np.all(np.abs(polarization) < [0.1, 1e-3])
        assert np.all(np.abs(imprint) < [0.015, 2e-4])


def test_later_domains_replace_earlier_ones():
    acts = [{"x": 0.0, "y": 0.0, "radius": 50e-9, "polarization": value, "imprint": 0.0} for value in (1.0, -1.0)]
    kept, polarization, _ = Written(acts, 10e-9).felt(np.zeros(1), np.zeros(1))
    assert kept[0] == pytest.approx(0, abs=1e-9)
    assert polarization[0] == pytest.approx(-1, abs=1e-6)


def test_acts_may_be_followed_as_they_change_at_their_end():
    acts = [
        {"x": place, "y": 0.0, "radius": 30e-9, "polarization": 1.0, "imprint": 0.1}
        for place in np.linspace(-1e-6, 1e-6, 200).tolist()
    ]
    x = np.linspace(-1.1e-6, 1.1e-6, 300)
    written = Written([], 10e-9)
    for now in (acts[:3], acts, [*acts[:-1], {**acts[-1], "polarization": -1.0}], acts[:70], []):
        written.follow(now)
        for found, expected in zip(written.felt(x, 0 * x), Written(now, 10e-9).felt(x, 0 * x), strict=True):
            assert np.array_equal(found, expected)


def test_writing_flips_the_image_and_moves_the_next_loop(make_world):
    world = make_world(seed=2, family="ac_stripes")
    _, response = world.surface(X, Y)
    row, column = np.unravel_index(np.argmax(np.abs(response)), X.shape)
    x, y = X[row, column], Y[row, column]
    loops, before = world.loops(np.array([x]), np.array([y]), 2.0)
    target = 1.0 - np.round(before[0])
    world.write(0, float(x), float(y), (float(before[0]), float(target)), 8.0, 1.0)
    after, now = world.loops(np.array([x]), np.array([y]), 2.0)
    assert world.surface(x, y)[1] == pytest.approx(-response[row, column], rel=0.1)
    assert now[0] == pytest.approx(target, abs=0.01)
    shift = 0.5 * (after.v_plus + after.v_minus - loops.v_plus - loops.v_minus)
    assert shift[0] == pytest.approx(0.15 * (before[0] - target), rel=0.02)
    away = world.surface(x + 300e-9, y)[1]
    world.acts.clear()
    assert world.surface(x + 300e-9, y)[1] == away


def test_truth_is_the_loop_without_noise(make_world):
    world = make_world(seed=2)
    maps = world.truth(X[:3, :4], Y[:3, :4], DEFAULTS, 2.0)
    assert {name: values.shape for name, values in maps.items()} == dict.fromkeys(
        ("area", "height", "coercive", "imprint"), (3, 4)
    )
    loops, _ = world.loops(X[1:2, 2], Y[1:2, 2], 1 / 0.512)
    assert maps["area"][1, 2] == pytest.approx(2.0 * loops.area()[0], rel=0.03)
    assert maps["coercive"][1, 2] == pytest.approx(0.5 * (loops.v_plus - loops.v_minus)[0])
    assert polygon_area(sweep(1.0, 8), np.zeros(8)) == 0


def test_contact_resonance_amplifies_by_its_quality_factor(make_world):
    tip = make_world(seed=2).tip
    slow = tip.gain(1.0, 1e3, 5.0)
    assert abs(slow) == pytest.approx(1, rel=1e-4)
    assert np.angle(slow) == pytest.approx(tip.phase, abs=1e-3)
    assert abs(tip.gain(1.0, tip.resonance, 5.0)) == pytest.approx(tip.quality, rel=1e-6)
    assert tip.gain(0.0, 50e3, 1.0) == 0
