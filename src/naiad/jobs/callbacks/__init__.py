"""Telling whoever asked for it that a job is over."""
