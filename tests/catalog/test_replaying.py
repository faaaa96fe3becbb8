"""The recorded agent decides the same again, from the journal and from Tiled."""

import copy
import shutil

import pytest
import torch

from probeline import catalog as catalogs
from probeline.catalog import Run
from probeline.core.errors import DataError
from probeline.plans.explore import explore
from probeline.plans.session import open_session

SMALL = {"size_nm": 640.0, "pixels": 16, "patch_nm": 200.0, "seed_points": 3, "points": 6, "register_every": 0}


@pytest.fixture(scope="module", params=[0, 1], ids=["lockstep", "lookahead"])
def explored(request, empty_catalog, tmp_path_factory):
    """A catalogue with one exploration, closed, and the run."""
    root = tmp_path_factory.mktemp("explored") / "catalog"
    shutil.copytree(empty_catalog, root)
    with open_session("sim-pfm", root, {"seed": 5}) as session:
        (uid,) = session.RE(explore(session.instrument, lookahead=request.param, **SMALL))
    return root, uid


def documents_of(explored):
    root, uid = explored
    with catalogs.open(root) as catalog:
        return copy.deepcopy(list(catalog[uid].documents()))


def changed(documents, stream, number, **values):
    """Return the run with other values in one event of a stream."""
    (descriptor,) = [doc["uid"] for name, doc in documents if name == "descriptor" and doc["name"] == stream]
    for name, doc in documents:
        if name == "event" and doc["descriptor"] == descriptor and doc["seq_num"] == number:
            doc["data"].update(values)
    return Run.from_documents(documents)


def test_every_decision_repeats_from_journal_and_from_tiled(explored):
    root, uid = explored
    expected = catalogs.ReplayReport(decisions=6, identical=6, bitwise=6, first_difference=None)
    with catalogs.open(root) as catalog:
        assert catalog[uid].state == "stored"
        assert catalogs.replay(catalog[uid]) == expected
        assert catalogs.replay(catalog.client[uid]) == expected
        assert expected.exact


def test_another_outcome_is_found_where_it_first_matters(explored):
    report = catalogs.replay(changed(documents_of(explored), "outcome", 4, objective=1e6))
    assert report.bitwise in (4, 5)  # decision 4 sees outcome 3 in lockstep, decision 5 with lookahead
    assert report.identical >= report.bitwise
    assert not report.exact


def test_another_candidate_is_reported(explored):
    report = catalogs.replay(changed(documents_of(explored), "optimization", 2, candidate=-1))
    assert report.identical == 1
    assert report.first_difference["what"] == "candidate"
    assert report.first_difference["recorded"] == -1
    assert report.first_difference["recorded_acquisition"] is None  # there is no such candidate


def test_another_choice_is_scored(explored):
    original = Run.from_documents(documents_of(explored))
    event = original.documents_of("optimization").events[5]["data"]
    report = catalogs.replay(changed(documents_of(explored), "optimization", 5, candidate=event["candidate"] + 40))
    found = report.first_difference
    assert found["replayed"] == event["candidate"]
    assert found["replayed_acquisition"] == event["acquisition"]
    assert found["recorded_acquisition"] is None or found["recorded_acquisition"] < found["replayed_acquisition"]


def test_another_problem_is_reported(explored):
    documents = documents_of(explored)
    documents[0][1]["probeline"]["candidates"]["stride"] = 2
    report = catalogs.replay(Run.from_documents(documents))
    assert report.bitwise == 0
    assert report.first_difference["problem"] is False


def test_an_unfinished_run_repeats_as_far_as_it_goes(explored):
    documents = documents_of(explored)
    (descriptor,) = [doc["uid"] for name, doc in documents if name == "descriptor" and doc["name"] == "optimization"]
    third = [
        index for index, (name, doc) in enumerate(documents)
        if name == "event" and doc["descriptor"] == descriptor and doc["seq_num"] == 3
    ]  # fmt: skip
    report = catalogs.replay(Run.from_documents(documents[: third[0] + 1]))
    assert report == catalogs.ReplayReport(3, 3, 3, None)


def test_a_run_of_another_plan_is_refused(explored):
    documents = documents_of(explored)
    del documents[0][1]["probeline"]["candidates"]
    with pytest.raises(DataError, match="was not made by explore"):
        catalogs.replay(Run.from_documents(documents))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_run_on_a_device_that_is_not_here_is_replayed_on_the_processor(explored):
    documents = documents_of(explored)
    documents[0][1]["probeline"]["agent"]["options"]["device"] = "cuda"
    assert catalogs.replay(Run.from_documents(documents)).identical == 6
