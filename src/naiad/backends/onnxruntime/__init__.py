"""Models that ONNX Runtime runs: plain tensors, packed text encoders, padded text encoders."""
