"""Any other Hugging Face model: exported by torch in a child process, quantised here."""
