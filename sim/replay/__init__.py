"""Measured data behind the driver protocols."""
