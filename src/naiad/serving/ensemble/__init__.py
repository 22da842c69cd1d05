"""Models that are made of other models: the plan (`plan`), one request's way through it (`progress`), the rest."""
