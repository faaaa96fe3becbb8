"""Prints as JSON what pyNSID and sidpy read in the .h5 files of a folder."""

import json
import pathlib
import sys

import h5py
import numpy as np
from pyNSID.io.hdf_utils import get_all_main, read_h5py_dataset


def told(dataset):
    axes = [
        {
            "name": axis.name, "units": axis.units, "values": axis.values.tolist(), "quantity": axis.quantity,
            "kind": axis.dimension_type.name,
        }
        for axis in (dataset._axes[place] for place in range(dataset.ndim))
    ]  # fmt: skip
    return {
        "data": np.asarray(dataset).tolist(),
        "axes": axes,
        "units": dataset.units,
        "quantity": dataset.quantity,
        "kind": dataset.data_type.name,
        "metadata": dataset.metadata,
        "points": dataset.point_cloud,
        "extent": list(map(float, dataset.get_extent([0, 1]))) if dataset.data_type.name == "IMAGE" else None,
    }


found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
    with h5py.File(path) as file:
        sets = [read_h5py_dataset(main) for main in get_all_main(file)]
        found[path.stem] = {item.title: told(item) for item in sets}
sys.stdout.write(json.dumps(found, default=lambda item: item.tolist()))
