"""The journal: what is written first, how it is read, and what a dead process left of it."""
