"""Models and optimizers of others as agents, and ours for others."""
