"""Our agents beside AtomAI, gpax and BoTorch, each of which runs in an environment of its own."""
