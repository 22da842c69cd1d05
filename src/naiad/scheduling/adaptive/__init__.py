"""Batching that chooses its own delay: what is expected to come, what runs cost, and the rule that weighs them."""
