"""Reading a run: labelled arrays, and errors that say what is missing."""

import numpy as np
import pytest
from event_model import compose_run

from probeline import catalog as catalogs
from probeline.catalog import Run
from probeline.core.errors import DataError, UnknownNameError


def composed(keys, rows, stream="primary", stop=True):
    """Return the documents of a run with one stream."""
    run = compose_run(time=1.0)
    descriptor = run.compose_descriptor(name=stream, data_keys={k: {"source": "test", **v} for k, v in keys.items()})
    documents = [("start", run.start_doc), ("descriptor", descriptor.descriptor_doc)]
    for number, row in enumerate(rows, 1):
        event = descriptor.compose_event(data=row, timestamps=dict.fromkeys(row, 0.0), time=float(number))
        documents.append(("event", event))
    return [*documents, ("stop", run.compose_stop())] if stop else documents


NUMBER = {"dtype": "number", "shape": []}


def test_axes_of_two_arrays_that_differ_do_not_mix():
    keys = {
        "a": {"dtype": "array", "shape": [2], "dims": ["bias"], "coords": {"bias": [0.0, 1.0]}},
        "b": {"dtype": "array", "shape": [2], "dims": ["bias"], "coords": {"bias": [0.0, 1.0]}},
        "c": {"dtype": "array", "shape": [2], "dims": ["bias"], "coords": {"bias": [5.0, 6.0]}},
        "d": {"dtype": "array", "shape": [3], "dims": ["bias"]},
        "e": {"dtype": "array", "shape": [3, 3]},
    }
    data = {"a": [1, 2], "b": [3, 4], "c": [5, 6], "d": [7, 8, 9], "e": np.zeros((3, 3))}
    dataset = Run.from_documents(composed(keys, [data])).stream("primary")
    assert {key: dataset[key].dims[1:] for key in keys} == {
        "a": ("bias",), "b": ("bias",), "c": ("c_bias",), "d": ("d_bias",), "e": ("e_0", "e_1"),
    }  # fmt: skip
    np.testing.assert_array_equal(dataset.c_bias, [5, 6])


def test_a_missing_number_reads_as_nan():
    documents = composed({"x": NUMBER}, [{"x": 1.0}, {"x": None}])
    np.testing.assert_array_equal(Run.from_documents(documents).stream("primary").x, [1.0, np.nan])


def test_units_and_times_are_kept():
    dataset = Run.from_documents(composed({"x": {**NUMBER, "units": "nm"}}, [{"x": 1.0}])).stream("primary")
    assert dataset.x.attrs["units"] == "nm"
    assert dataset.time.attrs["units"] == "s"
    np.testing.assert_array_equal(dataset.time, [1.0])


def test_an_array_of_another_shape_is_an_error():
    documents = composed({"a": {"dtype": "array", "shape": [2]}}, [{"a": [1, 2]}, {"a": [1, 2, 3]}])
    run = Run.from_documents(documents)
    with pytest.raises(DataError, match=r"a is declared with shape \(2,\), but an event has shape \(3,\)"):
        run.stream("primary")
    assert list(run.documents()) == documents


def test_event_pages_read_like_events():
    from event_model import pack_event_page

    documents = composed({"x": NUMBER}, [{"x": 1.0}, {"x": 2.0}])
    page = pack_event_page(*[doc for name, doc in documents if name == "event"])
    paged = [*documents[:2], ("event_page", page), documents[-1]]
    np.testing.assert_array_equal(Run.from_documents(paged).stream("primary").x, [1.0, 2.0])


def test_a_stream_without_events_is_empty():
    run = Run.from_documents(composed({"x": NUMBER, "a": {"dtype": "array", "shape": [2]}}, [], stop=False))
    assert run.stop is None
    dataset = run.stream("primary")
    assert dataset.x.shape == (0,)
    assert dataset.a.shape == (0, 2)
    with pytest.raises(DataError, match="has no event"):
        run.last("primary", "x")


def test_what_is_not_there_is_named():
    run = Run.from_documents(composed({"x": NUMBER}, [{"x": 1.0}]))
    with pytest.raises(UnknownNameError, match=r"unknown stream 'primry'.*'primary'"):
        run.stream("primry")
    with pytest.raises(UnknownNameError, match="unknown data key 'y'"):
        run.last("primary", "y")
    with pytest.raises(DataError, match="recorded no decisions"):
        catalogs.decisions(run)
    with pytest.raises(DataError, match="recorded no decisions"):
        catalogs.replay(run)
    with pytest.raises(DataError, match="begin with its start document"):
        Run.from_documents([])


def test_a_frame_that_was_never_announced_is_an_error():
    keys = {"f": {"dtype": "array", "shape": [2, 2], "external": "STREAM:"}}
    documents = composed(keys, [])
    descriptor = documents[1][1]
    documents.insert(2, ("event", {
        "uid": "e", "descriptor": descriptor["uid"], "seq_num": 1, "time": 1.0, "data": {}, "timestamps": {},
    }))  # fmt: skip
    with pytest.raises(DataError, match="no frame of f was announced for event 1"):
        Run.from_documents(documents).stream("primary")


def test_decisions_join_what_belongs_together():
    run = compose_run(time=1.0)
    documents = [("start", run.start_doc)]
    whole = {"dtype": "integer", "shape": [], "source": "t"}
    real = {**NUMBER, "source": "t"}
    streams = {
        "optimization": [{"decision": 0, "x": 1.0}, {"decision": 1, "x": 2.0}, {"decision": 2, "x": 3.0}],
        "outcome": [{"decision": 0, "objective": 5.0}, {"decision": 1, "objective": float("nan")}],
        "primary": [{"decision": 0, "x": 1.5}],
    }
    for stream, rows in streams.items():
        keys = {key: whole if key == "decision" else {**real, "units": "nm"} for key in rows[0]}
        descriptor = run.compose_descriptor(name=stream, data_keys=keys)
        documents.append(("descriptor", descriptor.descriptor_doc))
        for row in rows:
            event = descriptor.compose_event(data=row, timestamps=dict.fromkeys(row, 0.0))
            documents.append(("event", event))
    table = catalogs.decisions(Run.from_documents(documents))
    assert table.index.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(table["x"], [1, 2, 3])
    np.testing.assert_array_equal(table["x_measured"], [1.5, np.nan, np.nan])
    np.testing.assert_array_equal(table["objective"], [5, np.nan, np.nan])
    assert table.attrs["units"] == {"x": "nm", "objective": "nm", "x_measured": "nm"}


def test_provenance_names_what_decides():
    from probeline.catalog.provenance import code_version

    found = code_version()
    assert set(found) == {"version", "git", "packages", "machine", "operator"}
    assert {"numpy", "torch", "scipy", "bluesky", "ophyd"} <= set(found["packages"])
    assert found["git"] is None or len(found["git"]["hash"]) == 40
