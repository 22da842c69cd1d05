"""Python that users write for the server: applications, endpoints, functions whose calls are joined."""
