"""The instrument that PROBELINE_INSTRUMENT names: `spm` or `stem` at the prompt."""

import os
import threading

from bluesky.preprocessors import SupplementalData

from probeline.core.errors import ProbelineError
from probeline.devices.factory import open_instrument
from probeline.plans.metadata import bind_metadata

try:
    _instrument = open_instrument(os.environ.get("PROBELINE_INSTRUMENT", "sim-pfm"), data_root=cat.data_root)
except ProbelineError as error:
    raise SystemExit(f"probeline: PROBELINE_INSTRUMENT cannot be opened: {error}") from None
globals()[_instrument.spec.kind] = _instrument
threading._register_atexit(_instrument.close)
bind_metadata(RE, _instrument)  # in every start document, or the run is refused
_baseline = SupplementalData(baseline=[_instrument.ledger])
RE.preprocessors.append(_baseline)
