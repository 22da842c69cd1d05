"""Retrieval besides one vector a text: sparse weights of words, and a vector for each token."""
