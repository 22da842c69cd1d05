"""Requests that belong together: each sequence goes to one instance, one step after the other."""
