"""gRPC messages ⇄ words, pure. Numbers of the fields are in `naiad.proto`; who answers is `naiad.wire.grpc`."""
