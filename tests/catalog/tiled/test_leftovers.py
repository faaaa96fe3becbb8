"""A process that died between writing an array and entering it does not keep its run out of Tiled."""

import numpy as np
import zarr
from event_model import compose_run

from probeline.catalog.tiled.run import tiled_run


def test_an_array_that_nobody_owns_is_written_anew(catalog):
    run = compose_run()
    uid = run.start_doc["uid"]
    key = {"source": "test", "dtype": "array", "dtype_numpy": "<f8", "shape": [3]}
    stream = run.compose_descriptor(name="primary", data_keys={"spectrum µ": key})
    zarr.create_array(catalog.root / "tiled/data" / uid / "primary/spectrum+%C2%B5", shape=(9, 9), dtype="f4")
    write, rows = catalog.writer(), np.arange(6.0).reshape(2, 3)
    write("start", run.start_doc)
    write("descriptor", stream.descriptor_doc)
    for row in rows:
        write("event", stream.compose_event(data={"spectrum µ": row}, timestamps={"spectrum µ": 0.0}, validate=False))
    write("stop", run.compose_stop())
    catalog.flush()
    assert catalog[uid].state == "stored"
    np.testing.assert_array_equal(tiled_run(catalog.client[uid]).stream("primary")["spectrum µ"], rows)
