"""From a measurement to numbers: pure functions."""
