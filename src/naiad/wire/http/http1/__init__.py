"""HTTP/1.1 on sockets: bytes in, exchanges out, answers back in their order. Begin with `connection`."""
