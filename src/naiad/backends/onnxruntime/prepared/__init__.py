"""Copies of graphs for this machine, whose weights all sessions map.

`sharing` finds or makes a copy and opens it, `extents` reads where tensors lie, `alignment` moves them.
"""
