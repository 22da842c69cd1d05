"""Image encoders, and the text encoders that belong to them: checkpoint → ONNX graph, numpy only."""
