"""The response cache that several servers share: answers as bytes, kept by a server of caches, which may fail."""
