"""The check that a converted model must pass before anybody sees it: inputs, comparison, limits."""
