"""Beside the configuration."""

FACTOR = 5
