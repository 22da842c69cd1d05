"""What runs inside a worker process of a web application, in the server's own Python and environment."""
