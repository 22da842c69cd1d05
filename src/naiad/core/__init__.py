"""Floor 0: nouns, errors and contracts; imports nothing of ours."""
