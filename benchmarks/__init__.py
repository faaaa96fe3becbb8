"""Side-by-side measurements; run from the root of the repository, not installed."""
