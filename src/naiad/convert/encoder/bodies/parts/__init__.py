"""What bodies are put together from."""
