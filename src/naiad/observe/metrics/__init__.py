"""The metrics page: every metric with its name, type and labels, and how it is written."""
