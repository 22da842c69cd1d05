"""gRPC over HTTP/2 of our own: `framing/` is HTTP/2, `rpc/` is gRPC, both without I/O; the files here do the I/O."""
