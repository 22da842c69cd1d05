"""HTTP/2 as RFC 9113 has it, the server's side, without I/O: bytes in, calls out; calls in, bytes out."""
