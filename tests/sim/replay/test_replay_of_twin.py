"""A replay of what the PFM twin measured answers as the twin did, at the nodes."""

import numpy as np

from probeline.sim.pfm.backend import open_driver
from probeline.sim.replay.dataset import Dataset, SpectrumAxes, Timing
from probeline.sim.replay.driver import ReplayDriver

SIDE, PIXEL = 6, 150e-9


def test_a_replay_of_a_cube_of_the_twin_equals_the_twin():
    twin = open_driver("", {"seed": 2})
    twin.approach()
    edge = SIDE * PIXEL
    frame = {
        "center_x": 0.0, "center_y": 0.0, "width": edge, "height": edge, "pixels": SIDE, "lines": SIDE, "angle": 0.0,
        "slow": "up",
    }  # fmt: skip
    image = twin.start_scan(frame).result()
    axis = (np.arange(SIDE) - (SIDE - 1) / 2) * PIXEL
    loops = np.empty((SIDE, SIDE), object)
    for row, y in enumerate(axis):
        for column, x in enumerate(axis):
            twin.move(float(x), float(y))
            loops[row, column] = twin.start_spectrum("switching_loop", {}).result()
    first = loops[0, 0]
    dataset = Dataset(
        name="twin", kind="spm", mode="contact_pfm", images=image["data"],
        channels=tuple(twin.describe()["channels"]), pixel_size=PIXEL, top_line_first=False,
        spectra=np.stack([np.stack([loop["data"] for loop in row]) for row in loops]),
        valid=np.ones((SIDE, SIDE), bool),
        axes=SpectrumAxes("switching_loop", tuple(first["dims"]), tuple(first["channels"]), first["coords"], "m"),
        timing=Timing(spectrum_s=1.3, line_s=1.0), metadata=twin.describe()["metadata"],
    )  # fmt: skip
    replay = ReplayDriver(dataset)
    replay.approach()
    np.testing.assert_array_equal(replay.start_scan(frame).result()["data"], image["data"])
    for row, column in [(0, 0), (5, 5), (2, 4)]:
        replay.move(float(axis[column]), float(axis[row]))
        again = replay.start_spectrum("switching_loop", {}).result()
        np.testing.assert_array_equal(again["data"], loops[row, column]["data"])
        assert again["provenance"]["kind"] == "measured"
        assert again["coords"] == first["coords"]
