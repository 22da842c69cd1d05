"""How batches get from the event loop to an instance and results back; there is no other way (style rule 37)."""
