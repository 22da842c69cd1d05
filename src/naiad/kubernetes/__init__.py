"""Floor 2: what Kubernetes is told of a server. Plain documents; nothing here talks to a cluster."""
