"""Spaces in decoded text."""

from __future__ import annotations


def clean_up_spaces(text: str) -> str:
    """Remove the spaces that joining tokens leaves before punctuation and English contractions."""
    for mark in (".", "?", "!", ",", "'", "n't", "'m", "'s", "'ve", "'re"):
        text = text.replace(" ' " if mark == "'" else f" {mark}", mark)
    return text
