"""Spectra where none was measured, from the record of a run."""

import shutil

import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.core.errors import DataError, LimitError, SpecError
from probeline.plans.explore import explore
from probeline.plans.session import open_session

SMALL = {"size_nm": 1600.0, "pixels": 40, "patch_nm": 280.0, "seed_points": 24, "points": 24, "register_every": 0}


@pytest.fixture(scope="module")
def run(empty_catalog, tmp_path_factory):
    root = tmp_path_factory.mktemp("predicted") / "catalog"
    shutil.copytree(empty_catalog, root)
    with open_session("sim-pfm", root, {"seed": 3}) as session:
        (uid,) = session.RE(explore(session.instrument, **SMALL))
    with catalogs.open(root) as catalog:
        yield catalog[uid]


def test_spectra_come_with_their_axes_units_and_places(run):
    measured, predicted = catalogs.spectra(run), catalogs.predict_spectra(run, "patch_gp")
    name = predicted.attrs["kind"]
    assert name == "switching_loop"
    assert predicted["mean"].dims == ("candidate", *measured[name].dims[1:])
    assert predicted["mean"].attrs["units"] == predicted["std"].attrs["units"] == "pm"
    np.testing.assert_array_equal(predicted["bias"], measured["bias"])
    assert predicted["x"].attrs["units"] == "nm"
    assert predicted.attrs["measured"] == 24
    assert predicted.attrs["skill"] < 1
    at = np.hypot(predicted["x"] - float(measured["x"][0]), predicted["y"] - float(measured["y"][0]))
    assert at.min() < 1e-6


def test_predictions_are_nearer_to_what_was_measured_than_the_mean_is(run):
    measured, predicted = catalogs.spectra(run), catalogs.predict_spectra(run, "dkl")
    values = measured["switching_loop"].values
    distance = np.hypot(
        predicted["x"].values - measured["x"].values[:, None], predicted["y"].values - measured["y"].values[:, None]
    )
    at = predicted["mean"].values[distance.argmin(axis=1)]
    assert np.nanmean((at - values) ** 2) < 0.8 * np.nanmean((values - np.nanmean(values, axis=0)) ** 2)


def test_some_candidates_are_predicted_as_among_all(run):
    some = catalogs.predict_spectra(run, "gp", candidates=[3, 1])
    every = catalogs.predict_spectra(run, "gp")
    np.testing.assert_array_equal(some["candidate"], [3, 1])
    np.testing.assert_allclose(some["mean"], every["mean"][[3, 1]])


def test_the_same_seed_gives_the_same_bits(run):
    first, second = (catalogs.predict_spectra(run, "dkl", candidates=[5], seed=2) for _ in range(2))
    np.testing.assert_array_equal(first["std"], second["std"])


def test_what_predicts_no_spectra_is_refused(run):
    with pytest.raises(SpecError, match=r"agent = 'random' was refused.*'dkl', 'patch_gp' or 'gp'"):
        catalogs.predict_spectra(run, "random")


def test_an_answer_larger_than_memory_is_refused(run, monkeypatch):
    monkeypatch.setattr("probeline.catalog.predicting.LARGEST", 1000)
    with pytest.raises(LimitError, match="ask in parts"):
        catalogs.predict_spectra(run)


@pytest.mark.parametrize(
    ("candidates", "error"), [([True, False], SpecError), ([1.5], SpecError), ([-1], LimitError), ([10**6], LimitError)]
)
def test_candidates_that_are_none_are_refused(run, candidates, error):
    with pytest.raises(error, match="candidate"):
        catalogs.predict_spectra(run, candidates=candidates)


def test_a_run_with_few_spectra_is_refused(run, monkeypatch):
    monkeypatch.setattr("probeline.catalog.predicting.FOLDS", 20)
    with pytest.raises(DataError, match="24 complete spectra; 40 is the least"):
        catalogs.predict_spectra(run)
