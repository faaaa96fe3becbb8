"""Reading measured maps: one file per family of formats, found by suffix, imported when needed."""
