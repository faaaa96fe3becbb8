"""RunEngine and catalogue: every document is in the journal before anything else sees it."""

import atexit
import os

from bluesky import RunEngine
from bluesky.callbacks.best_effort import BestEffortCallback

from probeline import catalog

cat = catalog.open(os.environ.get("PROBELINE_CATALOG", "probeline-catalog"))
RE = RunEngine({})
RE.subscribe(cat.writer())
atexit.register(cat.close)

bec = BestEffortCallback()
if not os.environ.get("DISPLAY"):
    bec.disable_plots()
RE.subscribe(bec)
