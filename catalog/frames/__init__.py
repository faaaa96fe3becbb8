"""Frames in files: read when they are used, and rewritten where a dead process left them open."""
