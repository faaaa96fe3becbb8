"""Run by test_resume.py in a process of its own: explorations that kill themselves, each after some event.

Arguments: folder of the catalogue, then JSON: arguments of explore, seed of the twin, uid of a run to resume instead
(or null), and for each exploration the stream and the number of the event within it after which its process dies. One
process imports, forks do the rest.
"""

import json
import os
import signal
import sys

from explorations import journalled

from probeline import catalog as catalogs
from probeline.plans.explore import explore
from probeline.plans.resume import instrument_of, resumable, resume


def run_until(root, arguments, seed, uid, stream, number):
    """Explore or resume until event ``number`` of ``stream`` has been acknowledged, then die as by kill -9."""
    streams = {}

    def watch(name, doc):
        if name == "descriptor":
            streams[doc["uid"]] = doc["name"]
        if name == "event" and (streams[doc["descriptor"]], doc["seq_num"]) == (stream, number):
            os.kill(os.getpid(), signal.SIGKILL)

    with catalogs.open(root) as catalog:
        spec = instrument_of(resumable(uid, catalog)) if uid else "sim-pfm"
    with journalled(root, spec, options=None if uid else {"seed": seed}) as session:
        session.RE.subscribe(watch)
        plan = resume(session.instrument, uid, session.catalog) if uid else explore(session.instrument, **arguments)
        session.RE(plan)


if __name__ == "__main__":
    root, (arguments, seed, uid, moments) = sys.argv[1], json.loads(sys.argv[2])
    for stream, number in moments:
        child = os.fork()
        if not child:
            run_until(root, arguments, seed, uid, stream, number)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"it ended by itself, without event {number} of {stream}"
        assert os.WTERMSIG(status) == signal.SIGKILL
