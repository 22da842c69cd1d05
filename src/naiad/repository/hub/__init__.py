"""Source: the Hugging Face Hub, through huggingface_hub and its cache."""
