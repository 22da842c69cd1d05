"""Ensembles as they are loaded: defined once, bound to their parts, and bound anew when these change."""
