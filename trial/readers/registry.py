"""From the suffix of a file to what reads it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ...core.errors import DataError, ProbelineError, UnknownNameError
from ..content import Content

# Module of this package that reads each suffix; each has a function ``read(path) -> Content``.
_READERS = {
    ".3ds": "nanonis",
    ".sxm": "nanonis",
    ".ibw": "igor",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".gwy": "gwyddion",
    ".npy": "numpy_files",
    ".npz": "numpy_files",
    ".hspy": "rosetta",
    ".dm3": "rosetta",
    ".dm4": "rosetta",
    ".emd": "rosetta",
    ".tif": "rosetta",
    ".tiff": "rosetta",
}


def suffixes() -> list[str]:
    """Return the suffixes that can be read, with the dot."""
    return list(_READERS)


def read(path: str | Path) -> Content:
    """Return what the file at ``path`` holds.

    Raises
    ------
    UnknownNameError
        When nothing reads its suffix.
    DataError
        When it is missing or damaged, holds no map, or its reader is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise UnknownNameError("suffix", suffix, _READERS, "Save the map as .npz: docs/how-to/try-your-data.md.")
    reader: Any = import_module(f".{_READERS[suffix]}", __package__)
    try:
        content = reader.read(path)
    except ProbelineError:
        raise
    except Exception as error:  # a damaged file may break a parser in any way
        raise DataError(f"cannot read {path}: {type(error).__name__}: {error}") from error
    if not content.images and not content.spectra:
        raise DataError(f"{path} holds no map: neither an image nor a grid of spectra")
    return content


def library(name: str) -> ModuleType:
    """Return the module ``name`` of a package that only the extra ``trial`` brings.

    Raises
    ------
    DataError
        When it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise DataError(
            f"this format needs {name.partition('.')[0]}, which is not installed: pip install 'probeline[trial]'"
        ) from error
