"""A small session: instrument, RunEngine and catalogue in a temporary folder."""

from __future__ import annotations

import pytest
from probeline.core.errors import DataError
from probeline.core.paths import data_folder
from probeline.plans.session import open_session

# A survey that costs little: 32 x 32 pixels of 40 nm.
SMALL = {"size_nm": 1280.0, "pixels": 32, "patch_nm": 200.0, "seed_points": 4}


@pytest.fixture
def pfm(tmp_path):
    with open_session("sim-pfm", tmp_path / "catalog", {"seed": 3}) as session:
        yield session


@pytest.fixture
def beacon(tmp_path):
    try:
        data_folder("beacon-dkl")
    except DataError as absent:
        pytest.skip(str(absent))
    with open_session("replay:beacon-dkl", tmp_path / "catalog") as session:
        yield session
