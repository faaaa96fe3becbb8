"""RunEngine and catalogue: every document is in the journal before anything else sees it."""

import os
import threading

from bluesky import RunEngine
from bluesky.callbacks.best_effort import BestEffortCallback

from probeline import catalog

cat = catalog.open(os.environ.get("PROBELINE_CATALOG", "probeline-catalog"))
cat.client  # noqa: B018  # opens Tiled now: a fault shows here and not in the night
RE = RunEngine({})
RE.subscribe(cat.writer())
# Not `atexit`: by then Python has shut its thread pools down, and Tiled needs them to take the last run.
threading._register_atexit(cat.close)

bec = BestEffortCallback()
if not os.environ.get("DISPLAY"):
    bec.disable_plots()
RE.subscribe(bec)
