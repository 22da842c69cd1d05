"""Who we are to an object store, and where it is: a file for each kind of store."""
