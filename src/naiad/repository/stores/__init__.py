"""Object stores as sources: S3, Google Cloud Storage, Azure Blob Storage, and what speaks their protocols."""
