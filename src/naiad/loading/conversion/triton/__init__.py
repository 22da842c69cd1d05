"""A Triton repository in the layout of transformer-deploy, for NVIDIA's server and for its clients."""
