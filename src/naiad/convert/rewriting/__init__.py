"""Changing exported graphs: lower precision, what others expect of them, and their files."""
