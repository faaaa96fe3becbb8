"""A catalogue whose databases are made once, because making them takes seconds."""

from __future__ import annotations

import shutil

import pytest

from probeline import catalog as catalogs
from probeline.plans.session import run_engine

from .catalog_devices import FrameCamera, Sensor
from .tiled.postgres import binaries, running


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory):
    """Folder of a catalogue without runs, Tiled's databases made."""
    root = tmp_path_factory.mktemp("template") / "catalog"
    with catalogs.open(root) as catalog:
        assert len(catalog.client) == 0
    return root


@pytest.fixture
def catalog(empty_catalog, tmp_path):
    """An open catalogue without runs."""
    shutil.copytree(empty_catalog, tmp_path / "catalog")
    with catalogs.open(tmp_path / "catalog") as catalog:
        yield catalog


@pytest.fixture
def engine():
    """A RunEngine."""
    with run_engine(context_managers=[]) as engine:
        yield engine


@pytest.fixture
def sensor():
    return Sensor()


@pytest.fixture
def camera(catalog):
    return FrameCamera(catalog.data_root)


@pytest.fixture(scope="session")
def postgres():
    """A real PostgreSQL, started for these tests."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (no initdb in PATH or /usr/lib/postgresql)")
    with running() as server:
        yield server
