"""What was measured, why, and again: journals, Tiled, reading, replay."""

from .arrays import spectra, survey
from .predicting import predict_spectra
from .reading import decisions, load
from .replaying import ReplayReport, replay
from .run import Run
from .store import Catalog, RunInfo
from .store import open_catalog as open

__all__ = [
    "Catalog",
    "ReplayReport",
    "Run",
    "RunInfo",
    "decisions",
    "load",
    "open",
    "predict_spectra",
    "replay",
    "spectra",
    "survey",
]
