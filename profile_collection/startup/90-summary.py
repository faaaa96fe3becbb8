"""Magics and a summary; the last file, so that its absence shows that another one failed."""

from IPython import get_ipython

# The queue server's worker offers a stand-in without magics.
if hasattr(_shell := get_ipython(), "register_magics"):
    from bluesky.magics import BlueskyMagics

    _shell.register_magics(BlueskyMagics)
    print(
        f"probeline: RE, {_instrument.spec.kind} ({_instrument.spec.backend}), cat ({cat.root}), explore, resume, "
        f"count, scan, grid_scan, load, decisions, replay, why, report, %wa\n"
        f"try: RE(explore({_instrument.spec.kind}, points=20))"
    )
