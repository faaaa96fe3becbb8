"""Laws of physics, and agents that know or compare them."""
