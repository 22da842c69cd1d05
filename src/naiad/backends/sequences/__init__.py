"""Backends of Triton's for trying out sequences; none has a model file."""
