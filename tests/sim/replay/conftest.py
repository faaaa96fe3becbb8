import numpy as np
import pytest

from probeline.sim.replay.dataset import Dataset, SpectrumAxes, Timing
from probeline.sim.replay.driver import ReplayDriver

ROWS, COLUMNS, PIXEL = 24, 24, 10e-9
TIMING = Timing(
    spectrum_s=0.5, line_s=1.0, settle_s=0.5, shortest_move_s=0.2, speed=1e-6, approach_s=20.0, withdraw_s=2.0
)


def make_dataset(kind="spm", image=None, valid=None) -> Dataset:
    rng = np.random.default_rng(7)
    image = rng.normal(size=(ROWS, COLUMNS)) if image is None else image
    rows, columns = image.shape
    column = {"column": {"beam_current_A": 1e-10, "high_tension_V": 2e5}} if kind == "stem" else {}
    spectra = rng.poisson(5.0, (rows, columns, 1, 32)).astype(np.uint8)
    return Dataset(
        name="made-up",
        kind=kind,
        mode="stem" if kind == "stem" else "contact_pfm",
        images=np.stack([image, -image]),
        channels=({"name": "a", "unit": "m"}, {"name": "b", "unit": ""}),
        pixel_size=PIXEL,
        top_line_first=True,
        spectra=spectra,
        valid=np.ones((rows, columns), bool) if valid is None else valid,
        axes=SpectrumAxes("eds", ("channel", "energy"), ("eds",), {"energy": list(range(32))}, "counts"),
        timing=TIMING,
        metadata={"source": "random numbers", **column},
    )


def open_tracking(dataset, **options) -> ReplayDriver:
    """Return a driver whose tip is at the surface already, at time 0."""
    return ReplayDriver(dataset, state={"values": {"tip": "tracking", "feedback": True, "z": 0.0}}, **options)


@pytest.fixture
def make():
    return make_dataset


@pytest.fixture
def tracking():
    return open_tracking


@pytest.fixture
def dataset():
    return make_dataset()


@pytest.fixture
def driver(dataset):
    return open_tracking(dataset, seed=3)
