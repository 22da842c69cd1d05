"""Endpoints as models among others, and what is known of the code in front of their models. Begin with `model`."""
