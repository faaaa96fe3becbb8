"""Files are written as a whole or not at all."""

import errno
import os

import pytest

from probeline.catalog.writing import write_whole


def test_a_file_is_replaced_in_one_step(tmp_path):
    target = tmp_path / "a.txt"
    write_whole(target, b"one")
    write_whole(target, b"two")
    assert target.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_was_there_stays_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "a.txt"
    write_whole(target, b"one")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(target, b"two")
    assert target.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a.txt"]
