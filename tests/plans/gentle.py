"""A stand-in for an instrument that leaves the sample as it was: the PFM twin, whose loops write no domain."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from probeline.sim.pfm import backend
from probeline.sim.pfm.driver import PFMDriver
from probeline.sim.pfm.world import PFMWorld


class GentleWorld(PFMWorld):
    """Keeps what a loop writes to itself."""

    def write(self, *args, **kwargs):
        pass


class GentleDriver(PFMDriver):
    """Says that it does."""

    def describe(self):
        said = super().describe()
        spectra = {kind: {**about, "destructive": False} for kind, about in said["spectra"].items()}
        return {**said, "spectra": spectra}


@contextmanager
def gentle_twins():
    """Open every PFM twin as a gentle one, also those that are opened again at a state."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "PFMWorld", GentleWorld)
        patch.setattr(backend, "PFMDriver", GentleDriver)
        yield
