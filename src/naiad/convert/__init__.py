"""Floor 2: checkpoint to servable model."""
