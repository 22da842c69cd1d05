"""Our own graph builder for text encoders: config.json and safetensors in, a packed ONNX graph out; no torch."""
