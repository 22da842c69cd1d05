"""Jobs in a Redis server, which several servers share."""
