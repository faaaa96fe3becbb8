import dataclasses
import json
import math

import numpy as np
import pytest

from probeline.core.errors import Busy, CommandRejected, LimitError, NotMeasured, NotSupported
from probeline.sim.replay.dataset import thin_counts
from probeline.sim.replay.driver import ReplayDriver

N, PIXEL = 24, 10e-9


def spectrum(driver):
    return driver.start_spectrum("eds", {}).result()


def go(driver, row, column):
    driver.move((column - (N - 1) / 2) * PIXEL, (row - (N - 1) / 2) * PIXEL)


def test_spectra_at_grid_nodes_are_the_stored_ones(driver, dataset):
    for row, column in [(0, 0), (23, 23), (5, 17), (11, 0)]:
        go(driver, row, column)
        result = spectrum(driver)
        np.testing.assert_array_equal(result["data"], dataset.spectra[row, column])
        assert result["provenance"]["source_index"] == [row, column]
        assert result["provenance"]["file_row"] == 23 - row
        assert result["provenance"]["dist_px"] == 0.0
        assert result["provenance"]["kind"] == "measured"
    assert result["data"].dtype == np.float64
    assert result["dims"] == ["channel", "energy"]
    assert result["coords"]["energy"] == list(range(32))


def test_between_nodes_the_nearest_measured_pixel_answers(make, tracking):
    valid = np.ones((N, N), bool)
    valid[5, 5] = False
    driver = tracking(make(valid=valid))
    go(driver, 10.2, 3.4)
    source = spectrum(driver)["provenance"]
    assert source["source_index"] == [10, 3]
    assert source["dist_px"] == pytest.approx(math.hypot(0.2, 0.4))
    go(driver, 5.0, 5.3)  # 0.7 pixels from its measured neighbour
    assert spectrum(driver)["provenance"]["source_index"] == [5, 6]


def test_where_nothing_was_measured_nothing_is_answered(make, tracking):
    valid = np.zeros((N, N), bool)
    valid[8:16, 8:16] = True
    driver = tracking(make(valid=valid))
    go(driver, 7.2, 10)
    with pytest.raises(NotMeasured, match=r"0\.75 pixels"):
        spectrum(driver)
    go(driver, 7.3, 10)
    before = driver.clock()
    assert spectrum(driver)["provenance"]["source_index"] == [8, 10]
    assert driver.clock() == pytest.approx(before + 0.5)


def test_second_visit_is_flagged_also_after_reopening(driver, dataset):
    go(driver, 4, 4)
    first, second = spectrum(driver), spectrum(driver)
    assert not first["provenance"]["replayed_noise"]
    assert second["provenance"]["replayed_noise"]
    np.testing.assert_array_equal(first["data"], second["data"])
    driver.set_many({"bias": 0.5})
    state = json.loads(json.dumps(driver.state()))
    again = ReplayDriver(dataset, seed=3, state=state)
    assert again.state() == driver.state()
    assert again.position() == driver.position()
    assert again.clock() == driver.clock()
    assert again.get_many(["bias"]) == {"bias": 0.5}
    assert spectrum(again)["provenance"]["replayed_noise"]
    go(again, 4, 5)
    assert not spectrum(again)["provenance"]["replayed_noise"]


def test_added_noise_is_the_same_at_every_visit(make):
    loops = make()
    noisy = dataclasses.replace(loops, spectra=loops.spectra.astype(float))
    driver = ReplayDriver(noisy, noise=0.5, seed=3)
    driver.approach()
    go(driver, 4, 4)
    first, second = spectrum(driver), spectrum(driver)
    assert np.array_equal(first["data"], second["data"])
    assert not np.array_equal(first["data"], noisy.spectra[4, 4])
    assert second["provenance"]["replayed_noise"]


def test_what_is_not_a_number_was_not_measured(make):
    spectra = make().spectra.astype(float)
    spectra[4, 4, 0, 7] = np.nan
    driver = ReplayDriver(dataclasses.replace(make(), spectra=spectra))
    driver.approach()
    go(driver, 4, 4)
    with pytest.raises(NotMeasured):
        spectrum(driver)


def test_aborted_spectrum_is_nan_and_was_no_visit(driver):
    acquisition = driver.start_spectrum("eds", {})
    with pytest.raises(Busy):
        driver.start_spectrum("eds", {})
    acquisition.abort()
    assert np.isnan(acquisition.result()["data"]).all()
    assert driver.clock() == 0.0
    assert not spectrum(driver)["provenance"]["replayed_noise"]


def test_clock_is_the_sum_of_its_parts(driver):
    go(driver, 0, 0)
    distance = math.hypot(11.5, 11.5) * PIXEL
    assert driver.clock() == pytest.approx(max(0.2, distance / 1e-6) + 0.5)
    far = driver.clock()
    go(driver, 23, 23)
    assert driver.clock() == pytest.approx(far + math.hypot(23, 23) * PIXEL / 1e-6 + 0.5)
    moved = driver.clock()
    spectrum(driver)
    driver.wait(3.0)
    driver.withdraw()
    driver.withdraw()
    driver.approach()
    driver.approach()
    assert driver.clock() == pytest.approx(moved + 0.5 + 3.0 + 2.0 + 20.0)


@pytest.mark.parametrize("x", [math.nan, math.inf, 12.01 * PIXEL, -1.0])
def test_moves_outside_are_refused(driver, x):
    with pytest.raises(LimitError):
        driver.move(x, 0.0)
    assert driver.position() == (0.0, 0.0)
    assert driver.clock() == 0.0


def test_thinning_splits_the_counts_by_seed_and_pixel_alone(dataset, tracking):
    thinned, again, other = (tracking(dataset, seed=seed, thin=0.3) for seed in (3, 3, 4))
    go(again, 20, 20)
    spectrum(again)  # the order of visits must not matter
    for driver in (thinned, again, other):
        go(driver, 6, 7)
    a, b, c = (spectrum(driver)["data"] for driver in (thinned, again, other))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert (a <= dataset.spectra[6, 7]).all()


def test_thinned_counts_are_binomial(dataset):
    kept = sum(int(thin_counts(dataset.spectra[r, c], 0.3, 1, r, c).sum()) for r in range(N) for c in range(N))
    total = int(dataset.spectra.sum())
    assert abs(kept - 0.3 * total) < 4 * math.sqrt(total * 0.3 * 0.7)


def test_unknown_measurements_and_settings_are_refused(driver):
    with pytest.raises(NotSupported):
        driver.start_spectrum("switching_loop", {})
    with pytest.raises(CommandRejected):
        driver.start_spectrum("eds", {"dwell": 1.0})
