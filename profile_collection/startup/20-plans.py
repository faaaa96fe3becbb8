"""The plans offered at the prompt and to the queue."""

import bluesky.plan_stubs as bps
import bluesky.plans as bp
from bluesky.plans import count, grid_scan, scan

from probeline.catalog import decisions, load, replay
from probeline.catalog.report import report
from probeline.plans.explore import explore
from probeline.plans.stubs import make_safe, park, prepare
