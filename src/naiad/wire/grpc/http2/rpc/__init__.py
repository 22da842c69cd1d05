"""gRPC on top of HTTP/2 streams, without I/O: heads, messages, answers, calls."""
