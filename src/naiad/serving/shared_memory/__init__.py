"""The system shared memory extension: tensors that clients leave in memory instead of sending them."""
