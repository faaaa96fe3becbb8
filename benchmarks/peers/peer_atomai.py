"""Deep kernel learning by AtomAI, as its documentation shows it."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
from worker import Candidates, Method, from_zero_to_one

PACKAGES = ("atomai", "gpytorch", "torch")


def _stand_in_for_torchvision() -> None:
    """Provide the names that AtomAI imports and that this model does not use.

    Every torchvision on PyPI is compiled against a torch with CUDA, and fails to load beside the CPU build.
    """
    names = {"torchvision": (), "torchvision.models": ("mobilenet_v2", "resnet50", "vgg16")}
    names["torchvision.utils"] = ("make_grid",)
    for name, members in names.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, None)
        sys.modules[name] = module


def dkl(candidates: Candidates) -> Method:
    """Return a fresh ``dklGPR`` at every decision: two latent dimensions, 200 Adam steps, single precision.

    Every channel of the patches goes from 0 to 1 over all candidates.
    """
    _stand_in_for_torchvision()
    from atomai.models import dklGPR

    low, high = (edge((0, 2, 3), keepdims=True) for edge in (candidates.patches.min, candidates.patches.max))
    pixels = replace(candidates, patches=(candidates.patches - low) / (high - low)).pixels

    def decide(index: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        model = dklGPR(pixels.shape[1], embedim=2, precision="single", seed=candidates.seed)
        model.fit(pixels[index], target, training_cycles=200, print_loss=200)
        mean, variance = model.predict(pixels, batch_size=len(pixels))
        return mean, variance, model.likelihood.noise.item()

    return from_zero_to_one(decide)
