"""The command line: ``probeline demo | explore | runs | show | replay | report | export | serve | instruments ...``."""

from __future__ import annotations

import logging
import signal
import sys

import typer

from .commands.catalogs import recover, relocate, serve
from .commands.explorations import demo, explore, resume
from .commands.instruments import describe, instruments
from .commands.runs import export, replay, report, runs, show, why
from .commands.shared import FAILED, INTERRUPTED, REFUSED, complain
from .commands.trial import trial
from .core.errors import InterruptedRun, ProbelineError, RefusedError
from .core.interruption import interrupt_once

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
catalogs = typer.Typer(no_args_is_help=True, help="What concerns a catalogue as a whole.")
app.add_typer(catalogs, name="catalog")
for command in (
    explore, demo, runs, recover, show, replay, why, resume, report, export, serve, instruments, describe, trial,
):  # fmt: skip
    app.command()(command)
catalogs.command()(relocate)


def main() -> None:
    """Run the command; a user's mistake ends in one line on stderr, never in a traceback."""
    interrupt_once()
    logging.getLogger("bluesky").addHandler(logging.NullHandler())  # it logs a traceback for every refusal
    try:
        app(standalone_mode=True)
    except InterruptedRun as error:
        _end_interrupted(str(error))
    except ProbelineError as error:
        complain(str(error))
        sys.exit(REFUSED if isinstance(error, RefusedError) else FAILED)
    except KeyboardInterrupt:
        _end_interrupted("interrupted")
    except OSError as error:
        complain(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
        sys.exit(FAILED)


def _end_interrupted(message: str) -> None:
    # Python gives SIGINT its default back when it ends, which would kill it; only what is ignored stays so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    complain(message)
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
