"""Log lines: how they look, which are written, and what clients may change of that."""
