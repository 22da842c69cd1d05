"""Triton's rate limiter: executions of all models wait in one line for the resources that their instances need."""
