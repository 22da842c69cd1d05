"""Image files to the pixels that a model takes, as its checkpoint says."""
