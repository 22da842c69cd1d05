"""Calling models over gRPC: `calls.py` says what is sent and how it is read, `channel.py` sends it."""
