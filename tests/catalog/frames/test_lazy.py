"""Frames are read when they are used, and only those that are."""

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.catalog.frames.reading import FileFrames, ServedFrames
from probeline.core.errors import DataError

from ..catalog_devices import FRAME


@pytest.fixture
def frames(catalog, engine, camera):
    """A catalogue with one run of five frames, in the journal and in Tiled."""

    @bpp.stage_decorator([camera])
    @bpp.run_decorator(md={"plan_name": "frames"})
    def plan():
        for _ in range(5):
            yield from bps.trigger_and_read([camera], name="survey")

    engine.subscribe(catalog.writer())
    engine(plan())
    catalog.flush()
    return catalog


@pytest.mark.parametrize("source", [FileFrames, ServedFrames])
def test_only_the_frames_that_are_used_are_read(frames, camera, monkeypatch, source):
    read, original = [], source.__call__

    def watched(self, stream, key, seq_nums):
        read.extend(seq_nums)
        return original(self, stream, key, seq_nums)

    monkeypatch.setattr(source, "__call__", watched)
    run = frames[-1] if source is FileFrames else frames.client[-1]
    survey = catalogs.load(run)["survey"]
    frame = survey.spm_scan_frame
    assert (frame.shape, frame.dtype) == ((5, *FRAME), np.float64)
    assert read == []
    np.testing.assert_array_equal(frame[3], camera.taken[3])
    assert read == [4]
    np.testing.assert_array_equal(frame[1:3, 0, ::2], np.stack(camera.taken[1:3])[:, 0, ::2])
    np.testing.assert_array_equal(frame.isel(event=[4, 0], line=-1), np.stack(camera.taken)[[4, 0], :, -1])
    assert set(read) == {4, 2, 3, 5, 1}
    read.clear()
    for _ in range(2):
        np.testing.assert_array_equal(frame.values, np.stack(camera.taken))
    assert read == [1, 2, 3, 4, 5]  # kept after that


def test_a_lost_file_is_missed_when_loading_not_when_plotting(frames):
    next(frames.data_root.glob("*.h5")).unlink()
    with pytest.raises(DataError, match="does not exist there"):
        catalogs.load(frames[-1])
