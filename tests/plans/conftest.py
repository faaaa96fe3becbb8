"""Sessions shared by the tests of a module: opening a catalogue's Tiled is the slow part."""

from __future__ import annotations

import pytest

from probeline.core.errors import DataError
from probeline.core.paths import data_folder
from probeline.plans.session import open_session


@pytest.fixture(scope="module")
def pfm(tmp_path_factory):
    with open_session("sim-pfm", tmp_path_factory.mktemp("pfm") / "catalog", {"seed": 3}) as session:
        yield session


@pytest.fixture(scope="module")
def beacon(tmp_path_factory):
    try:
        data_folder("beacon-dkl")
    except DataError as absent:
        pytest.skip(str(absent))
    with open_session("replay:beacon-dkl", tmp_path_factory.mktemp("beacon") / "catalog") as session:
        yield session
