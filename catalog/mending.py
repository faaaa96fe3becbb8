"""What killed processes and a Tiled that was away left behind, put right: all of `probeline recover`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import CatalogError
from .frames.left_open import files_of_runs, left_open_files
from .frames.rewriting import Rewriter, RewrittenFile
from .journal.recovering import Ending, end
from .listing import forget_state, journal_files, read_state, uid_of, without_state, write_state
from .presence import Presence
from .tiled.away import Fault, fault_of, reason_of
from .tiled.drain import Drain
from .tiled.holding import is_held


@dataclass(frozen=True)
class MendedRun:
    """A run to which something was done, or to which nothing could be done.

    Attributes
    ----------
    uid : str
        Its uid.
    did : tuple of {"closed", "uploaded"}
        What was done: it got the stop document that its process could not write; Tiled got all of it.
    state : str
        As in :class:`~probeline.catalog.RunInfo`, afterwards.
    """

    uid: str
    did: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class Mending:
    """What :meth:`Catalog.recover` did.

    Attributes
    ----------
    runs : list of MendedRun
        Oldest first; none of those that are as they should be.
    files : list of RewrittenFile
        Frame files that a dead process left open.
    live : list of str
        Uids of runs that go on and were left alone.
    trouble : str
        Why Tiled could not be asked, or not be given everything; empty when all went well.
    """

    runs: list[MendedRun]
    files: list[RewrittenFile]
    live: list[str]
    trouble: str

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left that somebody has to look at."""
        refused = [run for run in self.runs if run.state.startswith(("rejected", "damaged"))]
        return not (refused or self.trouble or any(file.reason for file in self.files))


class Mender:
    """Puts right what is in one catalogue.

    Parameters
    ----------
    journals : Path
        Folder of the journals.
    roots : sequence of Path
        Folders that may be read; frame files are looked for in the first.
    drain : Drain
        What carries journals into Tiled.
    client : callable
        Returns the Tiled client; may fail.
    """

    def __init__(self, journals: Path, roots: Sequence[Path], drain: Drain, client: Callable[[], Any]):
        self._journals, self._roots = journals, roots
        self._drain, self._client = drain, client
        self._rewriter = Rewriter()
        self._thread: threading.Thread | None = None

    def begin(self, presence: Presence) -> None:
        """Close what a dead process left open; upload and rewrite what it left in the background.

        Where somebody else writes into the catalogue too, runs that ended are left to him.
        """
        endings = {path: end(path) for path in without_state(self._journals)}
        left_open = left_open_files(self._roots[0])
        presence.share()
        for path, ending in endings.items():
            if ending.kind == "closed" or (ending.kind == "ended" and presence.alone):
                self._drain.notify(path)
        if left_open:
            arguments = left_open, _living(endings), presence.alone
            self._thread = threading.Thread(target=self._rewrite, args=arguments, name="probeline-rewrite", daemon=True)
            self._thread.start()

    def hand_over_all(self) -> None:
        """Let Tiled, which has nothing, have every run that the journals hold."""
        for path in journal_files(self._journals)[::-1]:
            forget_state(path)
            if end(path).has_stop:
                self._drain.notify(path)

    def mend(self, presence: Presence) -> Mending:
        """Close, rewrite and upload whatever nobody else takes care of, and wait until that is done."""
        left_open = left_open_files(self._roots[0])
        endings = {path: end(path) for path in journal_files(self._journals)[::-1]}
        presence.share()
        living = _living(endings)
        files = self._rewrite(left_open, living, presence.alone)
        lacking, trouble = self._upload([path for path, ending in endings.items() if ending.has_stop])
        runs = [_mended(path, ending, path in lacking) for path, ending in endings.items()]
        return Mending([run for run in runs if run], files, [uid_of(path) for path in living], trouble)

    def close(self) -> None:
        """End what is being rewritten. Idempotent."""
        self._rewriter.stop()
        if self._thread is not None:
            self._thread.join()

    def _rewrite(self, paths: list[Path], living: list[Path], alone: bool) -> list[RewrittenFile]:
        spared = files_of_runs(living, self._roots) if paths else set()
        done = [self._rewriter.rewrite(path, alone=alone) for path in paths if path.resolve() not in spared]
        return [file for file in done if file is not None]

    def _upload(self, ended: list[Path]) -> tuple[set[Path], str]:
        """Hand to the drain what Tiled lacks; return what that was, and why Tiled does not have it now."""
        lacking = {path for path in ended if read_state(path) != "stored"}
        try:
            client = self._client()
            torn = [path for path in ended if path not in lacking and _is_torn(client, path)]
            lacking.update(torn)
            for path in sorted(lacking):
                forget_state(path)
                self._drain.notify(path)
            trouble = self._drain.settle()
            for path in torn:
                if read_state(path) == "stored" and _is_torn(client, path):
                    write_state(path, "rejected: Tiled lacks rows of it, also after it got all of them again")
        except CatalogError as error:
            return lacking, str(error)
        except Exception as error:  # whatever Tiled, its server or the disk comes up with
            return lacking, reason_of(error)
        return lacking, trouble


def _living(endings: Mapping[Path, Ending]) -> list[Path]:
    return [path for path, ending in endings.items() if ending.kind == "lives"]


def _is_torn(client: Any, path: Path) -> bool:
    """Return whether Tiled lacks rows of this run, or cannot read them itself."""
    try:
        return not is_held(client, path)
    except Exception as error:  # whatever Tiled comes up with
        if fault_of(error) is Fault.TILED:
            raise
        return True


def _mended(path: Path, ending: Ending, lacked: bool) -> MendedRun | None:
    """Return what there is to say of a run."""
    if ending.kind == "damaged":
        return MendedRun(uid_of(path), (), f"damaged: {ending.reason}")
    state = read_state(path)
    did = ["closed"] if ending.kind == "closed" else []
    if lacked and state == "stored":
        did.append("uploaded")
    return MendedRun(uid_of(path), tuple(did), state) if did or lacked else None
