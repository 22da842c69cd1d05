"""Images: bytes of a file → pixels of the size that a model takes → what a task makes of them."""
