"""Checkpoints of image models, and of models of images and texts, into service."""
