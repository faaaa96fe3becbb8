"""Tiled: the drain that fills it, the server that shows it, and runs read back from it."""
