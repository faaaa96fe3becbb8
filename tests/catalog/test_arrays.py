"""The image and the measurements of a run as labelled arrays: as the record has them, with places and units."""

import copy

import numpy as np
import pytest
from event_model import compose_run

from probeline.catalog import Run, decisions, load, spectra, survey
from probeline.core.errors import DataError, UnknownNameError
from probeline.core.paths import data_folder
from probeline.plans.explore import explore

from ..plans.explorations import SMALL, journalled

INSTRUMENTS = {
    "sim-pfm": ("switching_loop", ["x", "y"], "pm"),
    "replay:beps-pto-50x50": ("switching_loop", ["response"], "V"),
    "replay:stem-eds-particles": ("eds", ["eds"], "counts"),
}


@pytest.fixture(scope="module", params=INSTRUMENTS)
def explored(request, tmp_path_factory):
    """A run of three points, and what its measurements are."""
    backend, _, data = request.param.partition(":")
    if backend == "replay":
        try:
            data_folder(data)
        except DataError as absent:
            pytest.skip(str(absent))
    with journalled(tmp_path_factory.mktemp("arrays") / "catalog", request.param) as session:
        geometry = SMALL if backend == "sim-pfm" else {}
        (uid,) = session.RE(explore(session.instrument, **{**geometry, "points": 3, "seed_points": 2}))
        yield session.catalog[uid], INSTRUMENTS[request.param]


def test_the_survey_has_places_units_and_times(explored):
    run, _ = explored
    image, frame = survey(run), load(run)["survey"]
    key = run.start["probeline"]["keys"]["frame"]
    assert list(image.data_vars) == list(frame[key].channel.values)
    for number, name in enumerate(image.data_vars):
        np.testing.assert_array_equal(image[name], frame[key][0, number])
        assert image[name].attrs["units"] == run.documents_of("survey").data_keys[key]["channel_units"][number]
    np.testing.assert_array_equal(image.x, frame.x)
    assert (image.x.attrs["units"], image.line_clock.attrs["units"]) == ("nm", "s")
    with pytest.raises(UnknownNameError):
        survey(run, "resurvey")


def test_the_measurements_have_decisions_places_and_axes(explored):
    run, (kind, channels, unit) = explored
    found, table = spectra(run), decisions(run)
    assert list(found.data_vars) == [kind]
    assert found[kind].attrs["units"] == unit
    assert list(found.channel.values) == channels
    key = run.start["probeline"]["keys"]["spectrum"]
    np.testing.assert_array_equal(found[kind], load(run)["primary"][key])
    for name in ("x", "y"):
        np.testing.assert_array_equal(found[name], table[f"{name}_measured"].dropna())
    assert list(found.decision.values) == [0, 1, 2]
    for axis in found[kind].dims[2:]:
        assert found[axis].attrs.get("units") == {"bias": "V", "energy": "eV"}.get(axis)


def test_other_axes_from_some_point_on_are_no_single_array(explored):
    documents = copy.deepcopy(list(explored[0].documents()))
    (descriptor,) = (doc for name, doc in documents if name == "descriptor" and doc["name"] == "primary")
    other = copy.deepcopy({**descriptor, "uid": "other"})
    info = other["data_keys"][explored[0].start["probeline"]["keys"]["spectrum"]]
    info["channels"] = [f"{name}_2" for name in info["channels"]]
    last = max(place for place, (_, doc) in enumerate(documents) if doc.get("descriptor") == descriptor["uid"])
    documents[last][1]["descriptor"] = "other"
    run = Run.from_documents([*documents[:last], ("descriptor", other), *documents[last:]])
    with pytest.raises(DataError, match="other axes or settings from decision 2 on"):
        spectra(run)


def test_a_run_without_them_says_so():
    bundle = compose_run(metadata={"plan_name": "count"})
    run = Run.from_documents([("start", bundle.start_doc), ("stop", bundle.compose_stop())])
    with pytest.raises(DataError, match=r"\(count\) measured nothing at a point"):
        spectra(run)
    with pytest.raises(DataError, match="does not say which of its data keys is the survey image"):
        survey(run)
