"""Fixtures for all tests."""

from __future__ import annotations

import os

# Headless and single-threaded, before anything numerical is imported.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# The same examples in every run, and none judged by the clock of a busy machine. To look for others:
# pytest --hypothesis-profile=default --hypothesis-seed=N
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")


def pytest_addoption(parser):
    parser.addoption("--moments", type=int, default=3, help="at how many moments explorations are killed")
    parser.addoption("--every-message", action="store_true", help="interrupt explorations at every message of theirs")
