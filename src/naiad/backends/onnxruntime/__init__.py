"""Models that ONNX Runtime runs: plain tensors, packed and padded text encoders, image encoders."""
