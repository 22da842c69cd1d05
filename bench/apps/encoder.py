"""Text to embeddings with tokenizers and onnxruntime: what a user of any of the peers writes, the same for all of them.

Runs in the peers' environments, so it imports nothing of the benchmark or of Naiad. A batch is padded to its longest
text.
"""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MAX_TOKENS = 256


class Encoder:
    """One session and its tokenizer; a list of texts in, (texts, 384) float32 out."""

    def __init__(self, graph: str, tokenizer: str, threads: int) -> None:
        self.tokenizer = Tokenizer.from_file(tokenizer)
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the cores are shared with the server
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    @classmethod
    def from_environment(cls) -> Encoder:
        """BENCH_GRAPH, BENCH_TOKENIZER: files; BENCH_THREADS: how many threads one run may use."""
        return cls(os.environ["BENCH_GRAPH"], os.environ["BENCH_TOKENIZER"], int(os.environ["BENCH_THREADS"]))

    def tokenize(self, texts: list[str]) -> dict[str, np.ndarray]:
        """The graph's three inputs, each (texts, longest) int64."""
        encodings = self.tokenizer.encode_batch(texts)
        return {
            "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64),
            "token_type_ids": np.array([encoding.type_ids for encoding in encodings], dtype=np.int64),
        }

    def encode(self, texts: list[str]) -> np.ndarray:
        return self.session.run(["embedding"], self.tokenize(texts))[0]
