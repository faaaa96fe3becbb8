"""Magics and a summary; the last file, so that its absence shows that another one failed."""

try:
    from IPython import get_ipython
    from bluesky.magics import BlueskyMagics

    if (_shell := get_ipython()) is not None:
        _shell.register_magics(BlueskyMagics)
        print(
            f"probeline: RE, {_instrument.spec.kind} ({_instrument.spec.backend}), cat ({cat.path}), "
            f"explore, count, scan, grid_scan, load, decisions, replay, report, %wa\n"
            f"try: RE(explore({_instrument.spec.kind}, points=20))"
        )
except ImportError as error:
    print(f"probeline: no magics ({error})")
