"""Sessions shared by the tests of a module, whose journals alone are written: Tiled costs seconds per run."""

from __future__ import annotations

import contextlib

import pytest

from probeline.core.errors import DataError
from probeline.core.paths import data_folder

from .explorations import journalled
from .gentle import gentle_twins


@pytest.fixture(scope="module")
def pfm(tmp_path_factory):
    with journalled(tmp_path_factory.mktemp("pfm") / "catalog", options={"seed": 3}) as session:
        yield session


@pytest.fixture(scope="module")
def gentle(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        with gentle_twins():
            root = tmp_path_factory.mktemp("gentle") / "catalog"
            session = stack.enter_context(journalled(root, options={"seed": 3}))
        yield session


@pytest.fixture(scope="module")
def beacon(tmp_path_factory):
    try:
        data_folder("beacon-dkl")
    except DataError as absent:
        pytest.skip(str(absent))
    with journalled(tmp_path_factory.mktemp("beacon") / "catalog", "replay:beacon-dkl") as session:
        yield session
