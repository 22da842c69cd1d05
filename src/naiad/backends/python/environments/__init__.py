"""In which Python a model runs: the server's, one that the model brings along, or one made of its requirements."""
