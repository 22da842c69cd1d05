"""Copies of graphs for this machine, whose weights all sessions map.

`sharing` finds a copy or has it made and opens it, `copying` makes one, `alignment` moves tensors to where a processor
can load them, `extents` reads where they lie.
"""
