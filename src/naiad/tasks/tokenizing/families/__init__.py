"""Tokenizers by class: one row for each class of transformers 5 that text can be split with."""
