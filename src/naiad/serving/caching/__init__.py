"""The response cache: answers of models that ask for it, given again to requests that are equal."""
