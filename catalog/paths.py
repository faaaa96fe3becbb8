"""Where the data files of a run lie: inside folders that were allowed, wherever the catalogue is now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..core.errors import DataError

_LOCAL_HOSTS = ("", "localhost")


def locate(uri: str, roots: Sequence[Path] | None, relative: str | None = None) -> Path:
    """Return the file that ``uri`` means, also when it was moved together with its catalogue.

    A journal can come from anywhere, so that what it says is no reason to read a file: only what really
    lies in one of ``roots``, symbolic links followed, is returned.

    Parameters
    ----------
    uri : str
        ``file://localhost/...``
    roots : sequence of Path or None
        Folders that may be read. None: wherever the URI says, for documents of this very process.
    relative : str, optional
        Path in its data folder, as the stream resource keeps it; looked for in each of ``roots``.

    Raises
    ------
    DataError
        When it is nowhere, or only outside of ``roots``.
    """
    named = _path(uri)
    outside = None
    try:
        for path in _candidates(named, roots or (), relative):
            if not path.exists():
                continue
            if roots is None or is_inside(path, roots):
                return path
            outside = outside or path
    except (OSError, ValueError) as error:  # a name that no file can have
        raise DataError(f"the data file {named} cannot be looked for: {error}") from error
    if outside is not None:
        raise DataError(
            f"the data file {outside} was refused: it leads out of {_listed(roots)}, the only places that may be "
            "read; if you trust this run, name the folder of the file when you open the catalogue (readable=[...])"
        )
    looked = f" or under {_listed(roots)}" if roots else ""
    raise DataError(f"the data file {named} does not exist there{looked}; restore it next to its catalogue")


def is_inside(path: Path, roots: Sequence[Path]) -> bool:
    """Return whether ``path``, symbolic links and ``..`` followed, lies in one of ``roots``."""
    real = path.resolve()
    return any(real.is_relative_to(root.resolve()) for root in roots)


def _path(uri: str) -> Path:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise DataError(f"frames at {uri}: this is no address of a file: {error}") from error
    if parts.scheme != "file" or parts.netloc not in _LOCAL_HOSTS:
        raise DataError(f"frames at {uri} are not files of this computer; read the run through its server")
    return Path(unquote(parts.path))


def _candidates(named: Path, roots: Sequence[Path], relative: str | None) -> Iterator[Path]:
    """Yield where the file may be: where it was, where it belongs, then the longest end of its path that fits."""
    yield named
    for root in roots:
        if relative:
            yield root / relative
        for start in range(1, len(named.parts)):
            yield root.joinpath(*named.parts[start:])


def _listed(roots: Sequence[Path] | None) -> str:
    return ", ".join(str(root) for root in roots or ())
