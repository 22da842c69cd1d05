"""Floor 1: metrics, statistics and logs."""
