"""Floor 1: waiting items, batches, instances, answers."""
