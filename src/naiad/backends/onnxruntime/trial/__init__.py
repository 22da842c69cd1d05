"""A model's very first run, in a process of its own: what dies there takes nobody along.

`launch` starts the process and says what became of it, `child` is what runs there, `feeds` makes inputs up, `probe`
finds graphs whose rows depend on each other, `order` is what goes to and fro.
"""
