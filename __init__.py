"""Autonomous experiments on probe microscopes, on Bluesky and Ophyd."""

__version__ = "0.1.0"
