"""Floor 3: sockets and routes."""
