"""The text routes outside v2, in the shapes of OpenAI, vLLM and text-embeddings-inference. Begin with `calls`."""
