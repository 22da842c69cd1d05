"""Encoders of texts and images: one instance for all (`encoder`), and what each kind of graph takes.

These are `packed`, `padded` and `images`; `opening` opens their sessions and makes the instances, `pair` joins two
encoders into one.
"""
