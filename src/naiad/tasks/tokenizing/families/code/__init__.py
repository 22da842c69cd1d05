"""Classes that are Python code in transformers, and what finds their words."""
