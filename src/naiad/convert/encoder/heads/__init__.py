"""What stands on top of an encoder's body, one kind to a file; `choice.py` has their table."""
