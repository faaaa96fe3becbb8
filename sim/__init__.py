"""Worlds with a known truth, drivers over them, and replay twins."""
