"""Jobs over HTTP: how they are taken and told of, and how their requests are run."""
