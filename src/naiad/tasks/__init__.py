"""What Hugging Face models are for: strings and numbers in, strings and numbers out.

A task tokenises a request and decodes what the encoder answers; it never runs a graph. Read `text/embedding.py`, the
smallest, then `choice.py`, the table of all. Tasks stand in `text/`, `retrieval/` and `image/`, one file each; what
they share stands here, and tokenizers in `tokenizing/`.
"""

from naiad.tasks.choice import KNOWN_TASKS, build_task, build_tensors, head_for, infer_task

__all__ = ["KNOWN_TASKS", "build_task", "build_tensors", "head_for", "infer_task"]
