"""Encoders: what goes in, what comes out, and the arithmetic around their graphs."""
