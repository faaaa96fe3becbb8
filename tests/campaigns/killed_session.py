"""Run by test_kills.py in a process of its own: sessions that are killed at any moment.

Argument: folder of the catalogue. Each line of stdin is a task, JSON: ``acknowledged`` (file that says what the
engine was told is safe), ``kill_after`` (s from the start of the run; null: never), ``uid`` (run to resume; null: a
new exploration), ``seed``, ``arguments`` (of explore). Each is answered by a line: how long it took from the start
of its run (s) and whether it was killed. One process imports, forks do the rest.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time

import bluesky_tiled_plugins.writing.tiled_writer  # noqa: F401  # what every session imports, here once
import starlette.testclient  # noqa: F401
import tiled.client.constructors
import tiled.server.app  # noqa: F401

from probeline import catalog as catalogs
from probeline.plans.explore import explore
from probeline.plans.resume import instrument_of, resumable, resume
from probeline.plans.session import session_on


def work(root, task, begun):
    """Explore, or go on with an exploration, with Tiled in the background; say when the run has begun."""
    descriptor = os.open(task["acknowledged"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def acknowledge(name, doc):
        os.write(descriptor, f"{name} {doc.get('uid')} {doc.get('seq_num', '')}\n".encode())
        if name == "start":
            os.write(begun, b"!")

    with catalogs.open(root) as catalog:
        catalog.writer()  # closes what dead sessions left
        earlier = resumable(task["uid"], catalog) if task["uid"] else None
        spec = instrument_of(earlier) if earlier else "sim-pfm"
        with session_on(catalog, spec, None if earlier else {"seed": task["seed"]}) as session:
            session.RE.subscribe(acknowledge)  # after the writer, as everybody is
            plan = resume(session.instrument, earlier, catalog) if earlier else None
            session.RE(plan or explore(session.instrument, **task["arguments"]))


def watch(child, begun, kill_after):
    """Wait for the process, killing it some seconds after its run began; return how long that took, and whether."""
    handle = os.pidfd_open(child)
    try:
        select.select([handle, begun], [], [])
        began = time.monotonic()
        ended, _, _ = select.select([handle], [], [], kill_after)
        if not ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(handle)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and status:
        raise SystemExit(f"a session ended with status {status}: see its output")
    return {"seconds": time.monotonic() - began, "killed": killed}


def run(root, task):
    """Run one task in a process of its own and return what became of it."""
    begun, told = os.pipe()
    child = os.fork()
    if not child:
        work(root, task, told)
        os._exit(0)
    os.close(told)
    try:
        return watch(child, begun, task["kill_after"])
    finally:
        os.close(begun)


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(run(sys.argv[1], json.loads(line)))}\n")
        sys.stdout.flush()
