"""Jobs in a file of SQLite, which one server has for itself."""
