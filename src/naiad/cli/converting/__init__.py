"""What `naiad convert` and `naiad convert-model` share: sources, progress, the summary."""
