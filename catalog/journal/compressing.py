"""Journals that take less room: gzip, under the same name, once nothing will be added any more.

A compressed journal is two gzip members, which every gzip reader takes for one file: all records but
the last, then the last one, so that the end of a run can be read without unpacking all of it.
"""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import BinaryIO, cast

MAGIC = b"\x1f\x8b\x08"
DAMAGES = (EOFError, zlib.error, gzip.BadGzipFile)
_BLOCK = 2**20


def open_plain(path: Path) -> BinaryIO:
    """Return a journal open for reading as it was written, compressed or not.

    Raises
    ------
    OSError
        When it cannot be opened. Reading on may raise one of ``DAMAGES``.
    """
    file = open(path, "rb")  # noqa: SIM115  # the caller closes it
    if not _begins_compressed(file):
        return file
    file.close()
    return cast(BinaryIO, gzip.open(path, "rb"))


def is_compressed(path: Path) -> bool:
    """Return whether a journal has been compressed."""
    with open(path, "rb") as file:
        return _begins_compressed(file)


def _begins_compressed(file: BinaryIO) -> bool:
    start = file.read(len(MAGIC))
    file.seek(0)
    return start == MAGIC


def last_lines(path: Path) -> list[bytes]:
    """Return the last records of a journal, at least one where there is one, without reading all of it.

    Raises
    ------
    OSError, EOFError, zlib.error
        When it cannot be read.
    """
    size, block = path.stat().st_size, 65536
    with open(path, "rb") as file:
        packed = _begins_compressed(file)
        while True:
            file.seek(max(size - block, 0))
            end = file.read()
            lines = (_last_member(end) if packed else end).splitlines(keepends=True)
            if len(lines) > (0 if packed else 1) or block >= size:
                break
            block *= 8
    if packed and not lines:
        with open_plain(path) as whole:
            return whole.read().splitlines(keepends=True)
    return lines


def _last_member(end: bytes) -> bytes:
    """Return what the last whole gzip member in ``end`` holds; nothing when none begins there."""
    place = len(end)
    while (place := end.rfind(MAGIC, 0, place)) >= 0:
        unpack = zlib.decompressobj(wbits=31)
        try:
            content = unpack.decompress(end[place:])
        except zlib.error:  # the three bytes stand here by chance
            continue
        if unpack.eof and not unpack.unused_data:
            return content
    return b""


def compress(path: Path) -> None:
    """Replace a journal by the same, compressed, in one step; the draft is read back and compared before.

    Nobody may be writing it. Idempotent.

    Raises
    ------
    OSError
        When there is no room, or what was written does not read back; the journal stays as it was.
    """
    if is_compressed(path):
        return
    draft = path.with_name(f"{path.name}.draft")
    tail = len(last_lines(path)[-1])
    try:
        with open(path, "rb") as plain, open(draft, "wb") as packed:
            _append_member(plain, packed, path.stat().st_size - tail)
            _append_member(plain, packed, tail)
            packed.flush()
            os.fsync(packed.fileno())
        if not _same(path, draft):
            raise OSError(f"{draft} did not read back as {path}")
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _append_member(plain: BinaryIO, packed: BinaryIO, size: int) -> None:
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as member:
        while size > 0:
            block = plain.read(min(size, _BLOCK))
            if not block:
                raise OSError("the journal became shorter while it was read")
            member.write(block)
            size -= len(block)


def _same(path: Path, draft: Path) -> bool:
    with open(path, "rb") as plain, gzip.open(draft, "rb") as packed:
        while block := plain.read(_BLOCK):
            if packed.read(_BLOCK) != block:
                return False
        return not packed.read(1)
