"""What is hidden from every agent: for scoring only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .backend import open_world
from .driver import INITIAL
from .spectroscopy import LoopSettings
from .world import PFMWorld


class PFMTruth:
    """The truth of one world, at the state it was opened at.

    Parameters
    ----------
    world : PFMWorld
        The world; the scorer's own copy.
    values : mapping
        Signals of the instrument that the response depends on.
    """

    def __init__(self, world: PFMWorld, values: Mapping[str, Any]):
        self._world = world
        self._gain = world.tip.gain(values["drive_amplitude"], values["drive_frequency"], values["setpoint"])

    @property
    def phase(self) -> float:
        """Phase (rad) of a purely electromechanical response of c+ domains, -pi to pi."""
        return float(np.angle(self._gain))

    def drift(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return sample minus scanner coordinates (m) at times ``t`` (s), shape ``(2, *t.shape)``."""
        return self._world.drift(t)

    def maps(
        self, x: ArrayLike, y: ArrayLike, settings: Mapping[str, Any] | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Return noise-free loop properties at sample coordinates.

        Parameters
        ----------
        x, y : array_like
            Sample coordinates (m), of one shape.
        settings : mapping, optional
            Settings of the loop that differ from the defaults.

        Returns
        -------
        dict of str to ndarray
            Each of the shape of ``x``: ``area`` (m x V) enclosed by the last off-field cycle,
            ``height`` (m) between its extremes, ``coercive`` and ``imprint`` (V).
        """
        loop = vars(LoopSettings.checked(settings or {}))
        return self._world.truth(x, y, loop, abs(self._gain))


def open_truth(options: Mapping[str, Any]) -> PFMTruth:
    """Return the truth of the twin that ``options`` open.

    Parameters
    ----------
    options : mapping
        Options of the back-end. With ``state``, what was written until then counts; without,
        the film is pristine and the instrument as it is first opened.

    Raises
    ------
    SpecError
        For an unknown or wrong option.
    """
    state = options.get("state") or {}
    return PFMTruth(open_world(options), {**INITIAL, **state.get("values", {})})
