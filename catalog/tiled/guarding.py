"""What Tiled may open: files that really lie in the allowed folders, and databases that it was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..frames.reading import open_hdf5, other_files
from ..paths import is_inside

_HDF5 = "application/x-hdf5"
_REMEDY = "if its catalogue was moved, run `probeline catalog relocate`"
# How Tiled's own refusal begins.
_REFUSING = "Refusing to serve"


def guard_files(context: Any, roots: Sequence[Path]) -> None:
    """Make a Tiled catalogue refuse files outside of ``roots``, ``..``, symbolic and HDF5's own links followed.

    Tiled itself compares the text of paths only, and that only when a file is registered.

    Parameters
    ----------
    context : tiled.catalog.adapter.Context
        Of the catalogue.
    roots : sequence of Path
        Folders that may be read.
    """
    databases = {uri for uri in context.readable_storage if urlsplit(uri).scheme != "file"}
    context.adapters_by_mimetype = _Guarded(context.adapters_by_mimetype, _Guard(roots, databases))


def explain_refusals(app: Any) -> None:
    """Let a Tiled application say what it refuses; it would say that it failed."""
    from starlette.responses import JSONResponse

    async def explain(_request: Any, error: Exception) -> Any:
        if not str(error).startswith(_REFUSING):
            raise error
        return JSONResponse({"detail": f"{error} {_REMEDY}"}, 403)

    app.add_exception_handler(RuntimeError, explain)


class _Guard:
    """Raises where an address leads out of what may be read."""

    def __init__(self, roots: Sequence[Path], databases: set[str]):
        from tiled.storage import storage_registry_key

        self._key = storage_registry_key
        self._roots = list(roots)
        self._databases = {self._key(uri) for uri in databases}

    def __call__(self, source: Any, parameters: Mapping[str, Any]) -> None:
        """Raise unless all of a data source may be read; ``parameters`` go to its reader."""
        from tiled.utils import path_from_uri

        # Of a long row of files, Tiled hands over those that it needs as a parameter only.
        named = [parameters.get("data_uri"), *(parameters.get("data_uris") or ())]
        for uri in [*(asset.data_uri for asset in source.assets or ()), *filter(None, named)]:
            if urlsplit(uri).scheme != "file":
                self._require(self._key(uri) in self._databases, uri)
                continue
            path = path_from_uri(uri)
            self._require(is_inside(path, self._roots), uri)
            if source.mimetype == _HDF5 and path.exists():
                self._require(self._is_whole(path, parameters.get("dataset")), uri)

    def _is_whole(self, path: Path, dataset: Any) -> bool:
        """Return whether an HDF5 file holds its array itself, or in files that may be read as well."""
        import h5py

        name = dataset if isinstance(dataset, str) else "/".join(dataset or ())
        with open_hdf5(path) as file:
            data = file.get(name)
            # Of a group nobody knows where its links lead; what is not there at all is told by who reads it.
            return data is None or (
                isinstance(data, h5py.Dataset)
                and all(is_inside(path.parent / other, self._roots) for other in other_files(file, data))
            )

    @staticmethod
    def _require(allowed: bool, uri: str) -> None:
        from fastapi import HTTPException

        if not allowed:
            raise HTTPException(403, f"{uri} was refused: it leads out of the folders that may be read here; {_REMEDY}")


class _Guarded(Mapping[str, Any]):
    """Tiled's readers by type of file, each asking first where the file lies."""

    def __init__(self, adapters: Mapping[str, Any], guard: _Guard):
        self._adapters, self._guard = adapters, guard
        self._made: dict[str, Any] = {}

    def __getitem__(self, mimetype: str) -> Any:
        if mimetype not in self._made:
            self._made[mimetype] = _guarded(self._adapters[mimetype], self._guard)
        return self._made[mimetype]

    def __contains__(self, mimetype: object) -> bool:
        return mimetype in self._adapters

    def __iter__(self) -> Iterator[str]:
        return iter(self._adapters)

    def __len__(self) -> int:
        return len(self._adapters)


def _guarded(adapter: Any, guard: _Guard) -> Any:
    def from_catalog(cls: Any, data_source: Any, node: Any, /, **parameters: Any) -> Any:
        guard(data_source, parameters)
        return super(made, cls).from_catalog(data_source, node, **parameters)

    made = type(adapter.__name__, (adapter,), {"from_catalog": classmethod(from_catalog)})
    return made
