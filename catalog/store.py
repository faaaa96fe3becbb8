"""The catalogue: one folder with journals, data files and Tiled; or a Tiled server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from ..core.errors import CatalogError, UnknownNameError
from .journal.reading import read_journal
from .journal.sink import JournalSink
from .listing import RunInfo, journal_files, read_state, uid_of
from .mending import Mender, Mending
from .presence import Presence
from .run import Run
from .search import RunIndex, When, criteria
from .tiled.drain import Drain
from .tiled.served import ServedRuns
from .tiled.serving import EmbeddedTiled, RemoteTiled, without_secrets
from .writing import write_whole

FORMAT = "probeline-catalog"
VERSION = 1
MARKER = "probeline.json"
_PARTS = ("journal", "data", "tiled", "reports")


def open_catalog(
    where: str | Path, *, create: bool = True, durable: bool = False, readable: Sequence[str | Path] = ()
) -> Catalog:
    """Return the catalogue in a folder, or the one on a Tiled server.

    Parameters
    ----------
    where : str or Path
        A folder, or the address of a Tiled server (``http://...``, ``https://...``), whose
        journals and data files then lie in this user's data folder. The server shows frames
        only when that folder is in its readable storage.
    create : bool
        Make the folder a catalogue when it does not exist or is empty.
    durable : bool
        Bring every record to the disk before the RunEngine goes on (about 1 ms each on an SSD),
        so that not even a power cut loses one.
    readable : sequence of str or Path
        Further folders whose data files may be read: those of detectors that write elsewhere. What lies
        neither there nor in the catalogue's own data folder is refused, whatever a run says.

    Raises
    ------
    CatalogError
        When it does not exist, is something else, is damaged, or is of a newer version.
    """
    folders = [Path(folder).expanduser().resolve() for folder in readable]
    if isinstance(where, str) and is_address(where):
        root = _folder_of_server(where)
        _check_marker(root, create=True)
        return Catalog(root, lambda _: RemoteTiled(where, root), durable=durable, readable=folders, served=True)
    root = Path(where).expanduser().resolve()
    _check_marker(root, create=create)
    roots = [root / "data", *folders]
    return Catalog(root, lambda quiet: EmbeddedTiled(root / "tiled", roots, quiet), durable=durable, readable=folders)


def is_address(where: str) -> bool:
    """Return whether a catalogue is named by the address of a server, not by a folder."""
    return where.startswith(("http://", "https://"))


def shown(where: str | Path) -> str:
    """Return where a catalogue is as one may print it: an address without its key."""
    return without_secrets(str(where)) if is_address(str(where)) else str(where)


def folder_of_servers() -> Path:
    """Return where this user's sessions keep journals and data files of what they record into servers."""
    from platformdirs import user_data_path

    return user_data_path("probeline") / "servers"


def _folder_of_server(uri: str) -> Path:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise CatalogError(f"{shown(uri)} is no address of a server: {error}; check it") from error
    place = "".join(char if char.isalnum() else "-" for char in parts.netloc.split("@")[-1] + parts.path.rstrip("/"))
    return folder_of_servers() / place


def _check_marker(root: Path, *, create: bool) -> None:
    marker = root / MARKER
    try:
        if marker.exists():
            content = _read_marker(marker)
            if content.get("version") != VERSION:
                raise CatalogError(
                    f"the catalogue {root} has version {content.get('version')}, this probeline reads {VERSION}; "
                    "upgrade probeline"
                )
        elif not create:
            raise CatalogError(f"there is no catalogue at {root}; check the path")
        elif root.exists() and any(root.iterdir()):
            raise CatalogError(f"{root} is not empty and no catalogue of probeline; choose another or an empty folder")
        else:  # the marker first: where a full disk ends this, the folder must not look like something else
            root.mkdir(parents=True, exist_ok=True)
            write_whole(marker, orjson.dumps({"format": FORMAT, "version": VERSION}))
        if create:
            for part in _PARTS:
                (root / part).mkdir(exist_ok=True)
    except OSError as error:
        raise CatalogError(
            f"the catalogue {root} cannot be opened: {error}; check the path, its rights and the space on its disk"
        ) from error


def _read_marker(marker: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(marker.read_bytes())
        if content["format"] != FORMAT:
            raise CatalogError(f"{marker} belongs to something else ({content['format']}); choose another folder")
        return content
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogError(
            f"{marker} is damaged: {error}; the runs are not: write "
            f'{{"format": "{FORMAT}", "version": {VERSION}}} into it'
        ) from error


class Catalog:
    """An open catalogue; made by :func:`open_catalog`, closed by ``with`` or :meth:`close`.

    Parameters
    ----------
    root : Path
        Its folder.
    open_tiled : callable
        Opens Tiled; called once, when Tiled is first needed, on the thread that needs it. It is
        given a function that ends the catalogue's own use of Tiled, for when the process ends.
    durable : bool
        Bring every record to the disk at once.
    readable : sequence of Path
        Further folders whose data files may be read.
    served : bool
        Whether others record there too, so that Tiled may hold runs of which there is no journal here.

    Attributes
    ----------
    root : Path
        Its folder.
    data_root : Path
        Where detectors put their HDF5 files.
    reports : Path
        Where reports are put.
    """

    def __init__(
        self,
        root: Path,
        open_tiled: Callable[[Callable[[], object]], Any],
        *,
        durable: bool = False,
        readable: Sequence[Path] = (),
        served: bool = False,
    ):
        self.root = root
        self.data_root = root / "data"
        self.reports = root / "reports"
        self._roots = [self.data_root, *readable]
        self._journals = root / "journal"
        self._index = RunIndex(self._journals)
        self._open_tiled = open_tiled
        self._tiled: Any = None
        self._closed = False
        self._presence: Presence | None = None
        self._opening = threading.Lock()
        self._served = ServedRuns(lambda: self.client) if served else None
        self._drain = Drain(lambda: self.client)
        self._mender = Mender(self._journals, self._roots, self._drain, lambda: self.client)
        self._sink = JournalSink(self._journals, self._drain.notify, self._drain.begin, durable=durable)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Catalog {self.root} ({len(journal_files(self._journals))} runs)>"

    def __len__(self) -> int:
        here = {uid_of(path) for path in journal_files(self._journals)}
        return len(here.union(self._served.uids()) if self._served else here)

    def writer(self) -> Callable[[str, dict[str, Any]], None]:
        """Return the callback that records a RunEngine: ``RE.subscribe(catalog.writer())``.

        It returns when the document is in the journal; Tiled follows in the background. Make
        it the first subscription, so that nothing happens with a document before.

        The first call also takes up, in the background, what an earlier process left: see
        :meth:`recover`. Finished runs are left to a live process that writes into this catalogue too.
        """
        if self._presence is None and not self._closed:
            self._presence = Presence(self.root / MARKER)
            self._mender.begin(self._presence)
        return self._sink

    def runs(self) -> list[RunInfo]:
        """Return one line per run, newest first; damage is in its line's ``state``."""
        return self.search()

    def search(self, *, since: When | None = None, until: When | None = None, **wanted: Any) -> list[RunInfo]:
        """Return the runs that meet all of these criteria, newest first.

        Parameters
        ----------
        since, until : float, str or date, optional
            When the run began: Unix time (s), or a date or datetime, as text in ISO format; a date as ``until``
            includes its day.
        **wanted
            Further fields of :class:`Criteria`: ``plan``, ``goal``, ``agent``, ``objective``, ``instrument``,
            ``sample`` (names, exact), ``uid`` (how it begins), ``scan_id``.

        Raises
        ------
        UnknownNameError
            When there is no such criterion.
        SpecError
            When a date is none.
        """
        asked = criteria(since=since, until=until, **wanted)
        here = self._index.search(asked)
        if self._served is None:
            return here
        known = {uid_of(path) for path in journal_files(self._journals)}
        elsewhere = [info for info in self._served.search(asked) if info.uid not in known]
        return sorted([*here, *elsewhere], key=lambda info: info.time, reverse=True)

    def __getitem__(self, which: str | int) -> Run:
        """Return a run by its uid, the beginning of its uid, or its place (``-1``: the newest).

        What was recorded here is read from its journal, what others recorded into a server from there.

        Raises
        ------
        UnknownNameError
            When there is none, or several begin so.
        JournalError
            When its journal is damaged.
        CatalogError
            When the server has to be asked and cannot be.
        """
        journals = {uid_of(path): path for path in journal_files(self._journals)}
        uid = self._uid_at(which, list(journals)) if isinstance(which, int) else self._uid_like(which, list(journals))
        path = journals.get(uid)
        if path is None:
            assert self._served is not None
            return self._served[uid]
        return Run.from_documents(read_journal(path), roots=self._roots, state=read_state(path))

    def _uid_at(self, place: int, here: list[str]) -> str:
        """Return the uid of the run at a place, given those that were recorded here, newest first."""
        uids = here if self._served is None else [info.uid for info in self.runs()]
        if not -len(uids) <= place < len(uids):
            raise UnknownNameError("run", place, [], f"The catalogue {self.root} holds {len(uids)} runs.")
        return uids[::-1][place]

    def _uid_like(self, beginning: str, here: list[str]) -> str:
        """Return the uid that begins so, given those that were recorded here, newest first."""
        if beginning in here:
            return beginning
        found = [uid for uid in here if beginning and uid.startswith(beginning)]
        if self._served is not None and beginning:
            found = list(dict.fromkeys([*found, *self._served.beginning(beginning)]))
        if len(found) != 1:
            remedy = "Several runs begin so; give more of the uid." if found else "See runs()."
            raise UnknownNameError("run", beginning, [uid[:8] for uid in (found or here)[:10]], remedy)
        return found[0]

    @property
    def client(self) -> Any:
        """The Tiled client, a ``CatalogOfBlueskyRuns``; opened on first use, which takes seconds.

        Where Tiled's databases had to be made, all runs that the journals hold follow in the background.

        Raises
        ------
        CatalogError
            When Tiled cannot be opened.
        """
        with self._opening:
            opened = self._tiled is None
            if self._tiled is None:
                if self._closed:
                    raise CatalogError(f"the catalogue {self.root} is closed; open it again")
                self._tiled = self._open_tiled(self._drain.close)
            tiled = self._tiled
        if opened and tiled.made:
            self._mender.hand_over_all()
        return tiled.client

    @property
    def broker(self) -> Any:
        """A ``databroker.Broker`` over the same runs.

        Raises
        ------
        CatalogError
            When Tiled cannot be opened.
        """
        from databroker import Broker

        return Broker(self.client)  # pyright: ignore[reportCallIssue]  # its __new__ takes no name

    def recover(self) -> Mending:
        """Put right what dead processes and a Tiled that was away left, wait for that, and say what was done.

        A run that is open though nobody writes it any more, because its process died or its disk was full, gets a stop
        document (``exit_status`` ``"fail"``). Frame files that were left open are rewritten. Every run that Tiled
        does not hold to its last row is uploaded, also where its state says that it was. Runs that go on are left
        alone. Idempotent.
        """
        presence = Presence(self.root / MARKER)
        try:
            return self._mender.mend(presence)
        finally:
            presence.leave()

    def flush(self, timeout: float = 60.0) -> None:
        """Wait until Tiled has everything of the runs that ended, at most ``timeout`` (s).

        Of a run that still goes on, Tiled gets rows about once a second. A run that Tiled refuses is
        marked so in :meth:`runs` and counts as done.

        Raises
        ------
        CatalogError
            When it takes longer. Nothing is lost then.
        """
        self._drain.flush(timeout)

    def close(self, timeout: float = 60.0) -> None:
        """Hand over what is left, waiting at most ``timeout`` (s), and end all threads. Idempotent.

        What Tiled did not take stays in the journals, as ``pending``.
        """
        self._sink.close()
        self._mender.close()
        ended = self._drain.close(timeout)
        self._closed = True
        if ended and self._tiled is not None:
            self._tiled.close()
            self._tiled = None
        if ended and self._presence is not None:
            self._presence.leave()
