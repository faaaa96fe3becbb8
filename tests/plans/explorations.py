"""Small explorations, for tests of the plans."""

from contextlib import contextmanager

from probeline import catalog as catalogs
from probeline.catalog.journal.sink import JournalSink
from probeline.devices.factory import open_instrument
from probeline.plans.explore import explore
from probeline.plans.metadata import bind_metadata
from probeline.plans.session import Session, run_engine

# A survey that costs little: 32 x 32 pixels of 40 nm.
SMALL = {"size_nm": 1280.0, "pixels": 32, "patch_nm": 200.0, "seed_points": 4}


def run_small(session, **arguments):
    """Explore and return the run."""
    (uid,) = session.RE(explore(session.instrument, **{**SMALL, **arguments}))
    return session.catalog[uid]


@contextmanager
def journalled(root, spec="sim-pfm", options=None, instrument=None):
    """Give a session on a catalogue whose journals alone are written: opening Tiled takes seconds."""
    with catalogs.open(root) as catalog, run_engine(context_managers=[]) as engine:
        sink = JournalSink(catalog.root / "journal", lambda path: None)
        engine.subscribe(sink)
        device = instrument or open_instrument(spec, data_root=catalog.data_root, options=options)
        try:
            bind_metadata(engine, device)
            yield Session(engine, device, catalog)
        finally:
            device.close()
            sink.close()
