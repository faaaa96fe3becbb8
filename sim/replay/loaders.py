"""Reading each measured data set into a :class:`~probeline.sim.replay.dataset.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from ...core.errors import DataError, UnknownNameError
from ...core.paths import data_folder
from ...devices.drivers import ChannelInfo
from .dataset import Dataset, SpectrumAxes, Timing

# A switching loop of 64 steps, off and on field, 4 ms each, as in band-excitation
# piezoresponse spectroscopy (Jesse et al., Nanotechnology 17 (2006) 1703); the other figures
# are typical of a contact-mode instrument with a 1 Hz line rate.
_SPM_TIMING = Timing(
    spectrum_s=0.512,
    line_s=1.0,
    settle_s=0.5,
    shortest_move_s=0.2,
    speed=10e-6,
    approach_s=20.0,
    withdraw_s=2.0,
    assumed=("spectrum_s", "line_s", "settle_s", "shortest_move_s", "speed", "approach_s", "withdraw_s"),
)


def names() -> list[str]:
    """Return the names of the data sets that can be loaded."""
    return list(_LOADERS)


def load_dataset(name: str) -> Dataset:
    """Return the data set ``name``.

    Raises
    ------
    UnknownNameError
        When there is no loader of that name.
    DataError
        When its files are missing or damaged.
    """
    if name not in _LOADERS:
        raise UnknownNameError("data set", name, _LOADERS)
    return _LOADERS[name]()


def load_beacon() -> Dataset:
    """Return the PFM image of PbTiO3 with the loop height of 35 x 35 pixels.

    The file holds no spectra, only the number that its authors made of each, so the
    measurement at a point is of kind ``"scalar"``. Its border, where the file has zeros, was
    not measured. Pixel size and orientation are not stated.
    """
    with _opened("beacon-dkl", "beacon_dkl.h5") as file:
        image = np.asarray(file["pfm/image"], float)
        height = np.asarray(file["pfm/true_scalarizer"], float)
        candidates = np.asarray(file["pfm/candidate_rc"], int)
        valid = np.zeros(height.shape, bool)
        valid[candidates[:, 0], candidates[:, 1]] = True
    return Dataset(
        name="beacon-dkl",
        kind="spm",
        mode="contact_pfm",
        images=image[None],
        channels=(ChannelInfo(name="pfm", unit=""),),
        pixel_size=10e-9,
        top_line_first=False,
        spectra=height[..., None],
        valid=valid,
        axes=SpectrumAxes("scalar", ("channel",), ("loop_height",), {}, ""),
        timing=_SPM_TIMING,
        metadata={
            "sample": {"id": "beacon-dkl", "material": "PbTiO3"},
            "source": "github.com/utkarshp1161/Active-learning-in-microscopy, branch beacon-dkl, commit 04a7d3c",
            "licence": "Apache-2.0",
            "citation": "arXiv:2603.16715; software doi:10.5281/zenodo.14562669",
            "normalised": "image and loop height are stored as 0 to 1",
            "assumed": ["pixel_size", "row 0 is the lowest y", *_SPM_TIMING.assumed],
        },
    )


def load_eds_particles() -> Dataset:
    """Return the HAADF image of SiO2 spheres with an X-ray spectrum at each of its pixels.

    Both were taken in one pass at 50 ms per pixel; with its overhead and drift correction it
    took 1612 s (14:19:17 to 14:46:09 in the header), so a spectrum costs 1612 s / 16384. An
    image alone costs what is usual for one. Energies are channel times 10 eV, as stored.
    """
    folder = "stem-eds-particles"
    with _opened(folder, "SiO2_HAADF_Image.hspy") as file:
        image = np.asarray(file["Experiments/HAADF Image/data"], float)
    with _opened(folder, "SiO2_EDS_Spectrum_Image.hspy") as file:
        group = file["Experiments/EDS Spectrum Image"]
        counts = np.asarray(group["data"])
        pixel_um, energy_keV = (_decimal(group[f"axis-{i}"].attrs["scale"]) for i in (1, 2))
        column = group["metadata/Acquisition_instrument/TEM"].attrs
        beam = {
            "high_tension_V": float(column["beam_energy"]) * 1e3,
            "beam_current_A": float(column["beam_current"]) * 1e-9,
        }
    counts = counts.astype(np.min_scalar_type(counts.max()))
    energy = [round(energy_keV * 1e3 * channel, 6) for channel in range(counts.shape[-1])]
    timing = Timing(spectrum_s=1612 / 16384, line_s=500e-6, pixel_s=20e-6, assumed=("line_s", "pixel_s"))
    return Dataset(
        name=folder,
        kind="stem",
        mode="stem",
        images=image[None, ::-1],
        channels=(ChannelInfo(name="haadf", unit=""),),
        pixel_size=pixel_um * 1e-6,
        top_line_first=True,
        spectra=counts[::-1, :, None],
        valid=np.ones(image.shape, bool),
        axes=SpectrumAxes("eds", ("channel", "energy"), ("eds",), {"energy": energy}, "counts"),
        timing=timing,
        metadata={
            "sample": {"id": "E7_RFX8", "material": "SiO2 spheres"},
            "column": {"model": "JEOL", "date": "2019-09-08", **beam},
            "source": "github.com/usnistgov/hyperspy_tutorial, commit cec5807, 08.4 Particle Analysis",
            "licence": "NIST licence: free use with notice",
            "citation": "NIST HyperSpy tutorial",
            "dwell_s": 0.05,
            "image_taken": "together with the spectra, 50 ms per pixel",
            "assumed": list(timing.assumed),
        },
    )


def load_beps() -> Dataset:
    """Return the piezoresponse loops of a PbTiO3 film on 50 x 50 points over 2 um.

    One bipolar cycle from 0 V. Raw: 520 loops hold failed fits. No image came with it; its
    place takes the first point of each loop, at 0 V before anything was switched. The file
    gives no unit for the response ("a.u."); it is taken as V.
    """
    with _opened("beps-pto-50x50", "BEPS_PTO_50x50.h5") as file:
        group = file["Channel_000/generic"]
        x, y, bias = (np.asarray(group[axis], float) for axis in ("X", "Y", "Voltage"))
        # Stored as (x, y, voltage) with both axes rising.
        loops = np.asarray(group["generic"], float).transpose(1, 0, 2)
    pixel = float(x[-1] - x[0]) / (len(x) - 1)
    if not (np.allclose(np.diff(x), pixel, rtol=1e-6) and np.allclose(np.diff(y), pixel, rtol=1e-6)):
        raise DataError("data set beps-pto-50x50: its points are not on a square grid")
    coords = {"cycle": [0], "field": ["off"], "bias": bias.tolist()}
    return Dataset(
        name="beps-pto-50x50",
        kind="spm",
        mode="contact_pfm",
        images=loops[None, :, :, 0],
        channels=(ChannelInfo(name="response_0V", unit="V"),),
        pixel_size=pixel,
        top_line_first=False,
        spectra=loops[:, :, None, None, None, :],
        valid=np.ones(loops.shape[:2], bool),
        axes=SpectrumAxes("switching_loop", ("channel", "cycle", "field", "bias"), ("response",), coords, "V"),
        timing=_SPM_TIMING,
        metadata={
            "sample": {"id": "beps-pto-50x50", "material": "PbTiO3 film"},
            "source": "github.com/pycroscopy/DTMicroscope, commit 17245ba, data/AFM/BEPS_PTO_50x50.h5",
            "licence": "MIT",
            "citation": "github.com/pycroscopy/DTMicroscope",
            "image": "first point of each loop (0 V), raw",
            "assumed": ["unit V of the response", "field off", *_SPM_TIMING.assumed],
        },
    )


_LOADERS: dict[str, Callable[[], Dataset]] = {
    "beacon-dkl": load_beacon,
    "stem-eds-particles": load_eds_particles,
    "beps-pto-50x50": load_beps,
}


@contextmanager
def _opened(folder: str, name: str) -> Iterator[Any]:
    """Open an HDF5 file; whatever it lacks becomes a DataError that names it."""
    path = data_folder(folder) / name
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise DataError(f"cannot read {path}: {error}; fetch the data set again") from error


def _decimal(scale: Any) -> float:
    """Return the short decimal number that a single-precision ``scale`` stands for."""
    return float(str(np.float32(scale)))
