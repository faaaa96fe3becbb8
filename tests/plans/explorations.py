"""A small exploration, for tests of the plan."""

from probeline.plans.explore import explore

# A survey that costs little: 32 x 32 pixels of 40 nm.
SMALL = {"size_nm": 1280.0, "pixels": 32, "patch_nm": 200.0, "seed_points": 4}


def run_small(session, **arguments):
    """Explore and return the run."""
    (uid,) = session.RE(explore(session.instrument, **{**SMALL, **arguments}))
    return session.catalog[uid]
