"""Floor 6: the names of other libraries, so that a script written for one runs with its import lines changed."""
