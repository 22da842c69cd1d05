"""Floor 4: from a source to models that answer. Begin with `plan`."""
