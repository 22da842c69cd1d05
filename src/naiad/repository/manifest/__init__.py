"""Which models to serve, from where and how: one entry for each, from a file or from the command line."""
