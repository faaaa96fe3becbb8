"""The instrument that PROBELINE_INSTRUMENT names: `spm` or `stem` at the prompt."""

import os
import threading

from bluesky.preprocessors import SupplementalData

from probeline.core.errors import ProbelineError
from probeline.devices.factory import open_instrument

try:
    _instrument = open_instrument(os.environ.get("PROBELINE_INSTRUMENT", "sim-pfm"), data_root=cat.data_root)
except ProbelineError as error:
    raise SystemExit(f"probeline: PROBELINE_INSTRUMENT cannot be opened: {error}") from None
globals()[_instrument.spec.kind] = _instrument
threading._register_atexit(_instrument.close)
RE.md.update({**_instrument.description["metadata"], **_instrument.spec.metadata})  # in every start document
RE.preprocessors.append(SupplementalData(baseline=[_instrument.ledger]))
