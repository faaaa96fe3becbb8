"""The commands of the command line: what they take, and how they say what came of it."""
