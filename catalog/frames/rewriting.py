"""Frame files of killed processes are rewritten by a process of its own, which has only so much time."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .left_open import DRAFT

_log = logging.getLogger(__name__)
_PROGRAM = f"{__package__}.repair"
_BEING_WRITTEN = 3  # its exit code
# A Ctrl-C is for the session, which ends it in its own time.
_APART: Any = {
    "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True,
    "start_new_session": True,
}  # fmt: skip
_LEAST_S = 30.0
_BYTES_PER_S = 5e6  # of a slow disk that is read thrice and written once


@dataclass(frozen=True)
class RewrittenFile:
    """What became of a frame file that a process left open.

    Attributes
    ----------
    file : Path
        The file.
    reason : str
        Why it stays as it is; empty when it was rewritten.
    """

    file: Path
    reason: str


class _UnfinishedError(Exception):
    """The program did not come to its end."""


class Rewriter:
    """Rewrites files one after the other; can be stopped from another thread."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._stopped = False
        self._process: subprocess.Popen[str] | None = None

    def rewrite(self, path: Path, *, alone: bool) -> RewrittenFile | None:
        """Rewrite one file and say so in the log; None when somebody is writing it. See :func:`.repair.rewrite`."""
        draft = path.with_name(f"{path.name}.{threading.get_native_id()}{DRAFT}")
        try:
            code, said = self._run(path, draft, alone)
        except (OSError, _UnfinishedError) as error:
            code, said = 1, str(error)
        finally:
            draft.unlink(missing_ok=True)
        if code == _BEING_WRITTEN:
            return None
        lines = said.strip().splitlines() if code else []
        result = f"stays as it is: {lines[-1]}" if lines else "rewritten, with all that was in it"
        _log.warning("the frame file %s was left open by a process that died: %s", path, result)
        return RewrittenFile(path, lines[-1] if lines else "")

    def _run(self, path: Path, draft: Path, alone: bool) -> tuple[int, str]:
        limit = _LEAST_S + path.stat().st_size / _BYTES_PER_S
        command = [sys.executable, "-m", _PROGRAM, str(path), str(draft), *(["--alone"] if alone else [])]
        with self._changing:
            if self._stopped:
                raise _UnfinishedError("the catalogue was closed before")
            process = self._process = subprocess.Popen(command, **_APART)
        with process:
            try:
                _, said = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired as error:
                raise _UnfinishedError(f"reading it took more than {limit:.0f} s, it is damaged") from error
            finally:
                process.kill()
        if process.returncode < 0 and self._stopped:
            raise _UnfinishedError("the catalogue was closed meanwhile")
        if process.returncode < 0:
            raise _UnfinishedError(f"reading it ended in signal {-process.returncode}, it is damaged")
        return process.returncode, said

    def stop(self) -> None:
        """End what is being rewritten, which then stays as it is, and begin nothing more. Idempotent."""
        with self._changing:
            self._stopped = True
            if self._process is not None:
                self._process.kill()
