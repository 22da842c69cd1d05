"""What Hugging Face models are for: strings and numbers in, strings and numbers out.

A task tokenises a request and decodes what the encoder answers; it never runs a graph. Read `embedding.py`, the
smallest, then `choice.py`, the table of all.
"""

from naiad.tasks.choice import KNOWN_TASKS, build_task, build_tensors, head_for, infer_task

__all__ = ["KNOWN_TASKS", "build_task", "build_tensors", "head_for", "infer_task"]
