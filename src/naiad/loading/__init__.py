"""Floor 4: from a source to models that answer, and to others in their place. Begin with `control`, then `models`."""
