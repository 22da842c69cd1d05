"""Code written for ClearML-Serving: a class `Preprocess`, run as one of a pool of workers. Begin with `answering`."""
