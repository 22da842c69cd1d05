"""The HTTP door: `http1/` speaks HTTP/1.1 below, a file for each extension of v2 above, `exchange.py` between them."""
