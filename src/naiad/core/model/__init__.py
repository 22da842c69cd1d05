"""What a model is: what it declares of itself, of sequences, of ensembles, and what it may ask of its server."""
