"""Batching that learns the machine: measured times of runs, the rule that chooses from them, and how they change."""
