"""What Tiled cannot hold: cast where the descriptor says how, else refused with the reason; the journal keeps it."""

import math
import re
import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from probeline.catalog.tiled.casting import cast
from probeline.catalog.tiled.run import tiled_run
from probeline.catalog.tiled.uploading import tiled_writer

NUMBER = {"source": "t", "dtype": "number", "shape": [], "dtype_numpy": "<f8"}
INTEGER = {"source": "t", "dtype": "integer", "shape": []}
BOOLEAN = {"source": "t", "dtype": "boolean", "shape": []}
TEXT = {"source": "t", "dtype": "string", "shape": []}


def array(*shape, dtype="<f8"):
    return {"source": "t", "dtype": "array", "shape": list(shape), "dtype_numpy": dtype}


def record(catalog, keys, rows):
    """Write a run with one stream; return its uid."""
    write, run, stream = catalog.writer(), str(uuid.uuid4()), str(uuid.uuid4())
    write("start", {"uid": run, "time": 1.0})
    descriptor = {"uid": stream, "run_start": run, "name": "primary", "time": 2.0, "data_keys": keys}
    write("descriptor", {**descriptor, "configuration": {}, "object_keys": {}, "hints": {}})
    for number, row in enumerate(rows, 1):
        event = {"uid": str(uuid.uuid4()), "descriptor": stream, "seq_num": number, "time": 3.0, "filled": {}}
        write("event", {**event, "data": row, "timestamps": dict.fromkeys(row, 3.0)})
    stop = {"uid": str(uuid.uuid4()), "run_start": run, "time": 4.0, "exit_status": "success"}
    write("stop", {**stop, "num_events": {"primary": len(rows)}})
    return run


def values(run):
    """Return the values of key ``x``, in order."""
    events = run.documents_of("primary").events
    return [events[number]["data"]["x"] for number in sorted(events)]


HELD = [
    (NUMBER, [math.nan, math.inf, -math.inf, np.float32(2)], [math.nan, math.inf, -math.inf, 2.0]),
    (NUMBER, [None, 2.5], [math.nan, 2.5]),
    (NUMBER, [1, 2.5], [1.0, 2.5]),
    (INTEGER, [np.int16(3), 4], [3, 4]),
    (BOOLEAN, [True, np.bool_(False)], [True, False]),
    (TEXT, ["état\n", None, 3], ["état\n", "", "3"]),
    (array(3), [[1, 2, 3], [1.0, None, 3]], [[1, 2, 3], [1, math.nan, 3]]),
    (array(3, 3, dtype="<f4"), [np.eye(3)], [np.eye(3)]),
    (array(2, dtype="<U3"), [["a", "bcd"]], [["a", "bcd"]]),
    (NUMBER, [2**60], [float(2**60)]),
    (array(2, dtype="<c16"), [np.array([1 + 2j, 3])], [[1 + 2j, 3]]),
]
REFUSED = [
    ({"x": INTEGER}, [2.5], "x is declared as an integer, but is 2.5"),
    ({"x": INTEGER}, [None], "x is declared as an integer, but is None"),
    ({"x": INTEGER}, [2**70], "too large"),
    ({"x": INTEGER}, [math.nan], "cannot convert float NaN to integer"),
    ({"x": NUMBER}, [2**53 + 1], "x is declared as a number, but is 9007199254740993"),
    ({"x": NUMBER}, ["1.5"], "x is declared as a number, but is '1.5'"),
    ({"x": BOOLEAN}, [math.nan], "x is declared as a boolean, but is nan"),
    ({"x": array(2, dtype="<i4")}, [[1.0, math.nan]], "x is declared as <i4, but its values are not"),
    ({"x": BOOLEAN}, [2], "x is declared as a boolean, but is 2"),
    ({"x": TEXT}, [b"abc"], "x is declared as text, but is b'abc'"),
    ({"x": TEXT}, ["\udce9"], "surrogates not allowed"),
    ({"x": NUMBER}, [np.ones(2)], r"x is declared as number, but is array\(\[1., 1.\]\)"),
    ({"x": array(3)}, [[1, 2, 3], [1, 2]], r"x has shape \(2,\) after \(3,\), Tiled takes one"),
    ({"x": array(2)}, [np.ones(1), np.ones(2)], r"x has shape \(2,\) after \(1,\)"),
    ({"x": array(None)}, [[1.0, 2], [1.0]], r"x has shape \(1,\) after \(2,\)"),
    ({"x": array(2, 2)}, [np.ones((2, 2)), np.ones((2, 3))], r"x has shape \(2, 3\) after \(2, 2\)"),
    ({"x": array(2, dtype="<U3")}, [["a", "bcdefg"]], "x is declared as <U3, but its values are not"),
    ({"x": array(2, dtype="<i4")}, [[1.5, 2]], "x is declared as <i4, but its values are not"),
    ({"x": array(2, dtype="")}, [[1, "a", None]], "x is an array of objects"),
    ({"x": NUMBER, "X": NUMBER}, [1.0], "X and x would be one column of its table"),
    ({"x": NUMBER, "ts_x": NUMBER}, [1.0], "ts_x and x would be one column"),
    ({"x": NUMBER, "time": NUMBER}, [1.0], "time and the time of an event would be one column"),
    ({"x/y": {**NUMBER, "coords": {"a.b": 1}}}, [], "'x/y' does not match"),
    ({}, [1.0], "x is not declared by the descriptor"),
]


@pytest.mark.system
@pytest.mark.filterwarnings("ignore:The data type .* does not have a Zarr V3 specification")  # of arrays of text
def test_what_tiled_cannot_hold_is_cast_or_refused_and_the_journal_keeps_it(catalog):
    held = [(record(catalog, {"x": info}, [{"x": row} for row in rows]), rows, wanted) for info, rows, wanted in HELD]
    refused = [(record(catalog, keys, [{"x": row} for row in rows]), reason) for keys, rows, reason in REFUSED]
    empty = record(catalog, {"x": NUMBER}, [])
    wide = record(catalog, {f"k{k}": NUMBER for k in range(1100)}, [{f"k{k}": float(k) for k in range(1100)}])
    catalog.flush()
    state = {info.uid: info.state for info in catalog.runs()}
    for uid, rows, wanted in held:
        assert state[uid] == "stored"
        assert repr(values(catalog[uid])) == repr([row.item() if isinstance(row, np.generic) else row for row in rows])
        for value, expected in zip(values(tiled_run(catalog.client[uid])), wanted, strict=True):
            np.testing.assert_array_equal(value, expected)
    for uid, reason in refused:
        assert re.match(rf"rejected: .*{reason}", state[uid]), state[uid]
        assert catalog[uid].stop["exit_status"] == "success"
    assert (state[empty], state[wide]) == ("stored", "stored")
    (event,) = tiled_run(catalog.client[wide]).documents_of("primary").events.values()
    assert event["data"] == {f"k{k}": float(k) for k in range(1100)}


# Half a surrogate pair is no Unicode, but names of files may hold it.
TEXT_OF_ANY_KIND = st.text(max_size=5) | st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=3)
HUGE = st.sampled_from([2**53, -(2**53) - 1, 2**64, 10**400, 1e300, -(2.0**60)])
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXT_OF_ANY_KIND | HUGE
NUMPY = st.builds(np.float32, st.floats(width=32)) | st.builds(np.int16, st.integers(-9, 9)) | st.just(np.bool_(True))
ODD = st.binary(max_size=3) | st.complex_numbers() | hnp.arrays("<f8", hnp.array_shapes(max_dims=2, max_side=2))
KEY = TEXT_OF_ANY_KIND | st.sampled_from(["__float__", "__pairs__", "x", "X", "a.b"])
META = st.recursive(LEAF | NUMPY | ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner))
KINDS = st.sampled_from([NUMBER, INTEGER, BOOLEAN, TEXT, array(2), array(None), array(2, 2, dtype="<i4")])
RAGGED = st.lists(st.lists(st.floats(), max_size=2), max_size=2)
VALUE = {
    "number": st.floats() | st.integers() | st.none() | NUMPY | LEAF,
    "integer": st.integers(-(2**62), 2**62) | LEAF,
    "boolean": st.booleans() | LEAF,
    "string": TEXT_OF_ANY_KIND | LEAF,
    "array": hnp.arrays(st.sampled_from(["<f8", "<i4", "|b1"]), st.sampled_from([(2,), (1,), (2, 2)])) | RAGGED | LEAF,
}


def in_lists(value):
    """Metadata as a journal and Tiled give them back, both told apart from NaN and by type."""
    match value:
        case np.ndarray():
            return in_lists(value.tolist())
        case np.generic():
            return value.item()
        case dict():
            return {key: in_lists(item) for key, item in value.items()}
        case list():
            return [in_lists(item) for item in value]
        case _:
            return value


@pytest.mark.system
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(keys=st.dictionaries(st.sampled_from(["x", "X", "y", "time"]), KINDS, max_size=3), data=st.data())
def test_any_run_is_stored_as_it_is_or_says_why_not(catalog, keys, data):
    row = st.fixed_dictionaries({key: VALUE[info["dtype"]] for key, info in keys.items()})
    rows = data.draw(st.lists(row, max_size=3))
    uid = record(catalog, keys, rows)
    catalog.flush()
    run = catalog[uid]
    events = run.documents_of("primary").events
    kept = [events[number]["data"] for number in sorted(events)]
    assert repr(in_lists(kept)) == repr(in_lists(rows))
    if run.state != "stored":
        assert re.match(r"rejected: \w+: .", run.state)
    elif keys:
        served = tiled_run(catalog.client[uid]).documents_of("primary").events
        assert len(served) == len(rows)
        for number, row in enumerate(kept, 1):
            for key, value in row.items():
                wanted = cast(value, keys[key])
                np.testing.assert_array_equal(served[number]["data"][key], wanted)
                assert isinstance(served[number]["data"][key], type(wanted))


@pytest.mark.system
def test_any_metadata_are_stored_as_they_are(catalog):
    deep = [math.nan]
    for _ in range(200):
        deep = {"d": deep}

    @settings(max_examples=15, deadline=None, derandomize=True)
    @example(deep)
    @given(META)
    def check(meta):
        uid, stream = str(uuid.uuid4()), str(uuid.uuid4())
        write = catalog.writer()
        write("start", {"uid": uid, "time": 1.0, "meta": meta})
        device = {"data": {"x": meta}, "timestamps": {"x": 1.0}, "data_keys": {"x": NUMBER}}
        key = {**NUMBER, "coords": meta, "limits": {"control": {"low": -math.inf, "high": 1.5}}}
        descriptor = {"uid": stream, "run_start": uid, "name": "primary", "time": 2.0, "data_keys": {"k": key}}
        write("descriptor", {**descriptor, "configuration": {"dev": device}, "object_keys": {}, "hints": {}})
        stop = {"uid": str(uuid.uuid4()), "run_start": uid, "time": 4.0, "exit_status": "success"}
        write("stop", {**stop, "meta": meta})
        catalog.flush()
        run, expected = catalog[uid], repr(in_lists(meta))
        assert repr(in_lists(run.start["meta"])) == expected
        assert run.state == "stored"
        served = tiled_run(catalog.client[uid])
        info = served.documents_of("primary").descriptor
        for found in (
            served.start["meta"], served.stop["meta"], info["configuration"]["dev"]["data"]["x"],
            info["data_keys"]["k"]["coords"],
        ):  # fmt: skip
            assert repr(found) == expected
        assert info["data_keys"]["k"]["limits"] == {"control": {"low": None, "high": 1.5}}

    check()


def test_rows_wait_until_they_are_flushed(catalog):
    write = tiled_writer(catalog.client)
    run, stream = str(uuid.uuid4()), str(uuid.uuid4())
    write("start", {"uid": run, "time": 1.0})
    descriptor = {"uid": stream, "run_start": run, "name": "primary", "time": 2.0, "data_keys": {"x": NUMBER}}
    write("descriptor", {**descriptor, "configuration": {}, "object_keys": {}, "hints": {}})

    def rows():
        node = catalog.client[run].v3["primary"].base
        return len(node["internal"].read()) if "internal" in node else 0

    for number in range(1, 251):
        event = {"uid": str(number), "descriptor": stream, "seq_num": number, "time": 3.0, "filled": {}}
        write("event", {**event, "data": {"x": 0.5}, "timestamps": {"x": 3.0}})
        assert number not in (99, 100, 250) or rows() == number // 100 * 100
    write.flush()
    assert rows() == 250
    write.flush()
    assert rows() == 250
