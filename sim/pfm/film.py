"""A ferroelectric film as the tip feels it: what it looks like, and how it would switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .fields import Maps, blur
from .grains import draw_grains
from .law import Law, pristine_response, property_maps, trend_properties
from .needles import draw_needles
from .structure import Structure, draw_structure

Family = Literal["c180", "ac_stripes", "mixed", "grains", "needles", "null_hidden", "null_trend"]


@dataclass(frozen=True)
class Film:
    """A pristine film; nothing changes it, so several worlds may share it.

    Attributes
    ----------
    law : Law
        How it switches.
    image : Maps
        What it looks like: ``height`` (m), and per ``d33``, blurred by the tip,
        ``polarization``, ``response``, ``switchable`` and ``switchable_pristine``.
    properties : Maps or None
        What the law depends on; None where that is a trend in the coordinates.
    """

    law: Law
    image: Maps
    properties: Maps | None

    @classmethod
    def draw(cls, seed: int, family: Family, psf: float) -> Film:
        """Return the film of the world ``seed``.

        Parameters
        ----------
        seed : int
            Seed of the world.
        family : str
            ``c180``: c+ and c- domains. ``ac_stripes``: a domains in one c domain.
            ``mixed``: both. ``grains``: a polycrystal, as in :func:`draw_grains`. ``needles``: wedges
            of one polarity in the other, as in :func:`draw_needles`. ``null_hidden``: looks like
            ``mixed``, but another, invisible structure decides how it switches. ``null_trend``: looks
            like ``mixed``, but switching is a smooth trend in the coordinates.
        psf : float
            Standard deviation (m) of the tip's point spread function.
        """
        law = Law.draw(seed)
        seen = _seen(seed, family)
        decides = draw_structure(seed, "hidden", walls=True, stripes=True) if family == "null_hidden" else seen
        properties = None if family == "null_trend" else property_maps(law, decides, seed, psf)
        return cls(law, _image_maps(law, seen, psf), properties)

    def properties_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the first four arguments of :meth:`Law.loops` at ``x, y`` (m), shape (4, *x.shape)."""
        if self.properties is None:
            return trend_properties(self.law, x, y)
        return self.properties.at(x, y, *self.properties.names)


def _seen(seed: int, family: Family) -> Structure:
    """Return the structure that images show."""
    if family == "grains":
        return draw_grains(seed, "image")
    if family == "needles":
        return draw_needles(seed, "image")
    return draw_structure(seed, "image", walls=family != "ac_stripes", stripes=family != "c180")


def _image_maps(law: Law, structure: Structure, psf: float) -> Maps:
    switchable = law.switchable(structure)
    sharp = {
        "polarization": structure.polarization,
        "response": pristine_response(structure),
        "switchable": switchable,
        "switchable_pristine": structure.polarization * switchable,
    }
    return Maps({"height": structure.height, **{name: blur(field, psf) for name, field in sharp.items()}})
