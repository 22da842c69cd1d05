"""The first use of a tokenizer's files, in a process of its own: `trying` has it done, once; `child` does it."""
