"""Floor 2: the meaning of a request, the same for every door."""
