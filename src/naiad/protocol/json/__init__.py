"""JSON of v2, both ways: parsed within bounds, in pieces where it is long, with Triton's words for what is wrong."""
