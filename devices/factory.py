"""From a name or an instrument file to a connected instrument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import SpecError
from ..core.registry import BACKENDS
from .drivers import Driver
from .guard import Guard
from .hosted import host_process
from .instrument_file import InstrumentSpec, parse_instrument, read_instrument_file
from .instruments import SPM, STEM, assemble


def instrument_spec(
    name_or_spec: str | Path | InstrumentSpec, options: Mapping[str, Any] | None = None
) -> InstrumentSpec:
    """Return the complete instrument file of a name, a path or a spec.

    Parameters
    ----------
    name_or_spec : str, Path or InstrumentSpec
        ``"sim-pfm"``, ``"replay:beacon-dkl"``, a path ending in ``.yaml`` or ``.yml``, or a spec.
    options : mapping, optional
        Options of the back-end, on top of those that are there.

    Raises
    ------
    UnknownNameError
        When no such back-end is registered, or it has no such argument.
    SpecError
        When the file or an option is wrong.
    DataError
        When the file or the data of a replay cannot be read.
    """
    options = dict(options or {})
    if isinstance(name_or_spec, InstrumentSpec):
        spec = name_or_spec
    elif Path(name_or_spec).suffix in (".yaml", ".yml"):
        spec = read_instrument_file(name_or_spec)
    else:
        backend, _, argument = str(name_or_spec).partition(":")
        content = BACKENDS.load(backend).default_instrument(argument, options)
        spec = content if isinstance(content, InstrumentSpec) else parse_instrument(content, str(name_or_spec))
    return spec.model_copy(update={"options": {**spec.options, **options}})


def open_instrument(
    name_or_spec: str | Path | InstrumentSpec,
    *,
    data_root: str | Path,
    options: Mapping[str, Any] | None = None,
) -> SPM | STEM:
    """Return a connected instrument, guarded by its envelope; close it with ``close()``.

    Parameters
    ----------
    name_or_spec : str, Path or InstrumentSpec
        ``"sim-pfm"``, ``"replay:beacon-dkl"``, a path ending in ``.yaml`` or ``.yml``, or a spec.
    data_root : str or Path
        Folder that frames are written to.
    options : mapping, optional
        Options of the back-end, for example ``{"seed": 0}``.

    Raises
    ------
    UnknownNameError, SpecError, DataError
        When the instrument is not known, its file is wrong, or its data are missing.
    DriverError
        When the controller cannot be reached. Nothing stays open.
    """
    spec = instrument_spec(name_or_spec, options)
    driver = open_driver(spec)
    try:
        return assemble(Guard(driver, spec.envelope), spec, data_root)
    except BaseException:
        driver.close()
        raise


def open_driver(spec: InstrumentSpec) -> Driver:
    """Return the bare driver of ``spec``, in a process of its own when it says ``hosted``.

    Raises
    ------
    UnknownNameError, SpecError, DataError, DriverError
        From the back-end.
    """
    backend, _, argument = spec.backend.partition(":")
    module = BACKENDS.load(backend)
    if spec.hosted:
        return host_process(backend, argument, spec.options)
    driver = module.open_driver(argument, spec.options)
    if not isinstance(driver, Driver):
        raise SpecError(f"back-end {backend!r} opened a {type(driver).__name__}, which is not a driver")
    return driver
