"""Films are drawn once per seed and family; worlds over them are new for each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from probeline.sim.pfm.backend import open_world
from probeline.sim.pfm.driver import PFMDriver
from probeline.sim.pfm.film import Film
from probeline.sim.pfm.world import PFMWorld


@pytest.fixture(scope="session")
def _films() -> dict[tuple, Film]:
    return {}


@pytest.fixture
def make_world(_films) -> Callable[..., PFMWorld]:
    def make(**options: Any) -> PFMWorld:
        key = options["seed"], options.get("family", "mixed")
        world = open_world(options, _films.get(key))
        _films[key] = world.film
        return world

    return make


@pytest.fixture
def make_driver(make_world) -> Callable[..., PFMDriver]:
    def make(**options: Any) -> PFMDriver:
        driver = PFMDriver(make_world(**options))
        driver.approach()
        return driver

    return make


@pytest.fixture
def frame() -> dict[str, Any]:
    return {
        "center_x": 0.0,
        "center_y": 0.0,
        "width": 640e-9,
        "height": 640e-9,
        "pixels": 64,
        "lines": 64,
        "angle": 0.0,
        "slow": "up",
    }
