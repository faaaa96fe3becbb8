"""Fixtures for all tests."""

from __future__ import annotations

import os

# Headless and single-threaded, before anything numerical is imported.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
