"""Prints as JSON what HyperSpy reads in the .hspy files of a folder. HyperSpy is GPL: never in a process of ours."""

import json
import logging
import pathlib
import sys

import hyperspy.api as hs
import matplotlib as mpl

mpl.use("Agg")
logging.disable(logging.WARNING)


def told(signal):
    axes = [
        {"name": axis.name, "units": str(axis.units), "values": list(map(float, axis.axis)), "navigate": axis.navigate}
        for axis in signal.axes_manager._axes
    ]
    shown = None
    if signal.axes_manager.signal_dimension == 2:
        signal.plot()
        shown = list(map(float, signal._plot.signal_plot._extent))  # left, right, bottom, top
    return {
        "data": signal.data.tolist(),
        "axes": axes,
        "shown": shown,
        "quantity": signal.metadata.Signal.quantity,
        "origin": signal.original_metadata.as_dictionary(),
    }


found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.hspy")):
    signals = hs.load(str(path))
    found[path.stem] = {item.metadata.General.title: told(item) for item in signals}
sys.stdout.write(json.dumps(found, default=lambda item: item.tolist()))
