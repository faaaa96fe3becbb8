"""The journal gives back what was written, and says what was lost."""

import contextlib
import errno
import gzip
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from probeline.catalog.journal import appending, compressing, reading
from probeline.catalog.journal.appending import JournalWriter, lock
from probeline.catalog.journal.codec import decode, encode
from probeline.catalog.journal.compressing import compress, is_compressed
from probeline.catalog.journal.reading import JournalTail, JournalWarning, last_record, read_journal
from probeline.catalog.journal.recovering import end
from probeline.catalog.journal.sink import JournalSink
from probeline.catalog.listing import read_info
from probeline.core.errors import CatalogError, JournalError

DTYPES = st.sampled_from(["<f8", ">f4", "<f2", "<i8", "|u1", "|b1", "<c16", "<U3", "|S4", "<M8[ns]"])
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
# Half a surrogate pair is no Unicode, but names of files may hold it.
TEXT = st.text() | st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=4)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.complex_numbers() | st.binary() | ARRAYS
KEYS = TEXT | st.sampled_from(["__ndarray__", "__float__", "__text__", "__pairs__", "x", "X"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def same(one, other):
    """Equal in type, dtype, shape and every bit; a NaN equals a NaN."""
    match one:
        case np.ndarray():
            equal = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        case dict():
            equal = list(one) == list(other) and all(same(one[key], other[key]) for key in one)
        case list():
            equal = len(one) == len(other) and all(map(same, one, other))
        case complex():
            equal = same([one.real, one.imag], [other.real, other.imag])
        case _:
            equal = repr(one) == repr(other)
    return type(one) is type(other) and equal


@given(VALUES)
def test_every_value_survives(value):
    text = encode(value)
    assert b"\n" not in text
    assert same(decode(text), value)


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.float64("inf"), float("inf")),
        (np.longdouble(0.25), 0.25),
        (np.int16(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("é"), "é"),
        (np.complex64(1 + 2j), 1 + 2j),
        ((1, 2), [1, 2]),
        (np.array([None, "a"], dtype=object), [None, "a"]),
    ],
)
def test_scalars_become_the_python_value_they_equal(scalar, expected):
    assert same(decode(encode(scalar)), expected)


def test_what_cannot_be_written_is_refused_before_anything_is_written(tmp_path):
    writer = JournalWriter(tmp_path / "a.journal")
    writer.write("start", {"uid": "u"})
    with pytest.raises(CatalogError, match="cannot be written down"):
        writer.write("event", {"data": {"x": object()}})
    writer.write("stop", {"uid": "s"})
    writer.close()
    assert [name for name, _ in read_journal(tmp_path / "a.journal")] == ["start", "stop"]


@pytest.fixture
def written(tmp_path):
    """A journal of four documents, and the documents."""
    documents = [
        ("start", {"uid": "u", "time": 1.5}),
        ("descriptor", {"uid": "d", "name": "primary", "note": "line\rbreak\n"}),
        (
            "event",
            {
                "descriptor": "d",
                "seq_num": 1,
                "data": {"x": float("nan"), "image": np.arange(6.0).reshape(2, 3), "file": "\udce9"},
            },
        ),
        ("stop", {"uid": "s"}),
    ]
    path = tmp_path / "run.journal"
    writer = JournalWriter(path)
    for name, doc in documents:
        writer.write(name, doc)
    writer.close()
    return path, documents


def test_documents_come_back_in_order(written):
    path, documents = written
    assert same([list(item) for item in read_journal(path)], [list(item) for item in documents])
    assert last_record(path) == ("stop", {"uid": "s"})


def test_a_tear_at_any_byte_costs_only_the_record_it_is_in(written):
    path, _ = written
    whole = path.read_bytes()
    ends = [match.end() for match in re.finditer(b"\n", whole)]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        complete = sum(end <= size for end in ends)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            read = list(read_journal(path))
        assert len(read) == max(complete - 1, 0)  # the first record is the header
        assert [warning.category for warning in seen] == [JournalWarning] * (size not in {0, *ends})


def is_prefix(read, documents):
    return same([list(item) for item in read], [list(item) for item in documents[: len(read)]])


def damages(whole, first, seed, count=400):
    """Yield copies of a file with up to eight of its bytes changed, from byte ``first`` on."""
    randomly = np.random.default_rng(seed)
    for _ in range(count):
        damaged = np.frombuffer(whole, np.uint8).copy()
        places = randomly.integers(first, len(whole), randomly.integers(1, 9))
        damaged[places] ^= randomly.integers(1, 256, len(places)).astype(np.uint8)
        yield damaged.tobytes()


@pytest.mark.parametrize("compressed", [False, True])
def test_whatever_happens_to_a_journal_leaves_a_true_beginning(written, compressed):
    path, documents = written
    if compressed:
        compress(path)
    whole = path.read_bytes()
    third_last = 0 if compressed else [match.end() for match in re.finditer(b"\n", whole)][-4]
    cut = (whole[:size] for size in range(third_last, len(whole)))
    for content in (*cut, *damages(whole, third_last, seed=3), *damages(whole, 0, seed=4)):
        path.write_bytes(content)
        read = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JournalWarning)
            with contextlib.suppress(JournalError):
                for document in read_journal(path):
                    read.append(document)  # what came before an error is kept
        assert is_prefix(read, documents)
        last = last_record(path)
        assert last is None or any(is_prefix([last], [document]) for document in documents)
        info = read_info(path)
        assert info is None or info.uid == "u" or info.state.startswith("damaged: ")
        assert end(path).kind in ("ended", "closed", "empty", "damaged")
        if (kept := path.read_bytes()) != content:  # closed: what could be read stands before the new end
            assert content.startswith(kept[: kept.rindex(b"\n", 0, -1) + 1])


def test_compression_changes_nothing_that_is_read(written):
    path, documents = written
    plain = path.read_bytes()
    compress(path)
    assert is_compressed(path)
    assert gzip.decompress(path.read_bytes()) == plain
    assert same([list(item) for item in read_journal(path)], [list(item) for item in documents])
    assert last_record(path) == ("stop", {"uid": "s"})
    packed = path.read_bytes()
    compress(path)
    assert path.read_bytes() == packed
    with pytest.raises(JournalError, match="is compressed: its run is over"):
        JournalWriter(path, resume=True)
    assert path.read_bytes() == packed
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_reader_goes_on_where_it_was_when_the_journal_is_compressed_meanwhile(written):
    path, documents = written
    tail, reading = JournalTail(path), JournalTail(path)
    first = next(iter(tail.read()))
    halfway = reading.read()
    assert next(halfway)[0] == "start"
    compress(path)
    assert same([list(item) for item in [first, *tail.read()]], [list(item) for item in documents])
    assert [name for name, _ in halfway] == [name for name, _ in documents[1:]]


def test_the_end_of_a_long_compressed_journal_is_read_alone(tmp_path, monkeypatch):
    path = tmp_path / "long.journal"
    writer = JournalWriter(path)
    rng = np.random.default_rng(0)
    for _ in range(20):
        writer.write("event", {"data": {"image": rng.normal(size=4000)}})
    writer.write("stop", {"uid": "s", "image": rng.normal(size=20_000)})  # longer than what is looked at first
    writer.close()
    compress(path)
    monkeypatch.setattr(compressing, "open_plain", lambda path: pytest.fail("all of it was unpacked"))
    assert last_record(path)[1]["uid"] == "s"


def test_a_disk_without_room_for_the_compressed_journal_keeps_the_plain_one(written, monkeypatch):
    path, _ = written
    plain = path.read_bytes()

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(compressing.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            compress(path)
    monkeypatch.setattr(compressing, "_same", lambda path, draft: False)
    with pytest.raises(OSError, match="did not read back"):
        compress(path)
    assert path.read_bytes() == plain
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_shared_lock_outlives_the_writer(tmp_path):
    writer = JournalWriter(tmp_path / "a.journal")
    kept = writer.share_lock()
    writer.close()
    assert lock(writer.path) is None
    os.close(kept)
    again = lock(writer.path)
    assert again is not None
    os.close(again)


def test_a_last_record_of_zeros_is_torn(written):
    path, documents = written
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(100))
    with pytest.warns(JournalWarning, match="100 bytes"):
        assert len(list(read_journal(path))) == len(documents)
    path.write_bytes(whole[:-3] + b"00\n")
    with pytest.warns(JournalWarning):
        assert len(list(read_journal(path))) == len(documents) - 1
    assert last_record(path) is None


@pytest.mark.parametrize("record", [1, 2, 3, 4])
def test_damage_in_the_middle_is_an_error(written, record):
    path, _ = written
    lines = path.read_bytes().splitlines(keepends=True)
    lines[record - 1] = lines[record - 1].replace(b'"', b"'", 1)
    path.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match=f"record {record} .*checksum is wrong.*restore the file from a backup"):
        list(read_journal(path))


def test_other_files_and_newer_versions_are_refused(tmp_path):
    path = tmp_path / "a.journal"
    with pytest.raises(CatalogError, match="cannot be read"):
        list(read_journal(path))
    for header, message in [({"format": "x"}, "is no journal"), ({"format": reading.FORMAT, "version": 2}, "upgrade")]:
        content = encode(header)
        path.write_bytes(b"%08x %s\n" % (reading.zlib.crc32(content), content))
        with pytest.raises(JournalError, match=message):
            list(read_journal(path))


def test_a_full_disk_is_said_and_leaves_the_journal_whole(written, monkeypatch):
    path, _ = written
    writer = JournalWriter(path.with_name("full.journal"))
    writer.write("start", {"uid": "u"})

    class Full:
        """A file on a disk with room for five more bytes."""

        def __init__(self, file):
            self._file, self._room = file, 5

        def write(self, data):
            if not self._room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done = self._file.write(data[: self._room])
            self._room -= done
            return done

        def __getattr__(self, name):
            return getattr(self._file, name)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_file", Full(writer._file))
        with pytest.raises(CatalogError, match="No space left on device; free space"):
            writer.write("event", {"data": {}})
    writer.write("stop", {"uid": "s"})
    writer.close()
    assert [name for name, _ in read_journal(writer.path)] == ["start", "stop"]
    with pytest.raises(CatalogError):
        writer.write("event", {})


def test_an_existing_file_is_never_written_over(written):
    before = written[0].read_bytes()
    with pytest.raises(CatalogError, match="exists"):
        JournalWriter(written[0])
    assert written[0].read_bytes() == before


def test_names_that_no_journal_can_have_are_refused(tmp_path):
    folder = tmp_path / "journal"
    folder.mkdir()
    sink = JournalSink(folder, lambda path: None)
    for uid in ("../../elsewhere", "a\0b", "\ud800", "x" * 300):
        with pytest.raises(CatalogError, match=r"was refused|cannot be written"):
            sink("start", {"uid": uid, "time": 1.0})
    sink.close()
    assert list(tmp_path.rglob("*")) == [folder]


@pytest.mark.parametrize(("durable", "expected"), [(False, [0, 3]), (True, [0, 1, 2, 3])])
def test_the_disk_is_waited_for_at_both_ends_or_each_time(monkeypatch, tmp_path, durable, expected):
    calls, steps = [], [0]
    monkeypatch.setattr(appending.os, "fsync", lambda number: calls.append(steps[-1]))
    writer = JournalWriter(tmp_path / "a.journal", durable=durable)
    calls.clear()
    for step, name in enumerate(["start", "event", "event", "stop"]):
        steps.append(step)
        writer.write(name, {})
        assert writer.unsynced is (step not in expected)
    writer.close()
    assert calls == expected


def test_a_tail_continues_where_it_was(tmp_path):
    writer = JournalWriter(tmp_path / "a.journal")
    tail = JournalTail(writer.path)
    assert list(tail.read()) == []
    writer.write("start", {"uid": "u"})
    assert list(tail.read()) == [("start", {"uid": "u"})]
    with open(writer.path, "ab") as file:
        file.write(b"12345678 half a rec")
    assert list(tail.read()) == []
    assert tail.torn == 19
    writer.close()


@pytest.mark.parametrize("compressed", [False, True])
def test_the_reader_in_the_documentation_works(written, compressed):
    path, documents = written
    if compressed:
        compress(path)
    page = Path(__file__).parents[3] / "docs" / "reference" / "journal.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 20
    space = {}
    exec(code, space)
    assert same([list(item) for item in space["read"](path)], [list(item) for item in documents])
