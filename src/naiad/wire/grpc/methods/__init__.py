"""The unary methods that are not inference, a file for each extension of v2; `method.py` says what one is."""
