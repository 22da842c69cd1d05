"""What a checkpoint's files declare of its tokenizer: its class, its arguments, its vocabulary."""
