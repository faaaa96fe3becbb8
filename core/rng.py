"""Random-access randomness: a generator is a function of names, never of history."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator that belongs to ``(seed, *names)``.

    The same arguments give the same bits in every process, in any order of calls, so
    noise can be keyed by exposure index and drift by time without stepping a stream.

    Parameters
    ----------
    seed : int
        Seed of the world or of the experiment, ``>= 0``.
    *names : str or int
        What the numbers are for, for example ``("detector", exposure_index)``.
    """
    text = "\x1f".join(str(name) for name in names).encode()
    words = np.frombuffer(hashlib.sha256(text).digest()[:16], dtype=np.uint32)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([int(seed), *words.tolist()])))
