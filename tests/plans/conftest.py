"""A small session: instrument, RunEngine and catalogue in a temporary folder."""

from __future__ import annotations

import pytest
from probeline.core.errors import DataError
from probeline.core.paths import data_folder
from probeline.plans.session import open_session


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
