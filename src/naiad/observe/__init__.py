"""Floor 1: metrics, statistics, logs and traces."""
