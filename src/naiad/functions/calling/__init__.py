"""Calling functions for batches of requests: plain ones in threads, coroutines on a loop, generators step by step."""
