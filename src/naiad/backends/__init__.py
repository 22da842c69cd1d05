"""Floor 1: one file or folder per runtime."""
