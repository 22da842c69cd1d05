"""Names and numbers of the protobuf messages, and the one pool that holds them."""
