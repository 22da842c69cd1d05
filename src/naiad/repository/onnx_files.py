"""Which ONNX file of a checkpoint to take, by the names that exporters give: the most exact one.

A pure function of names, the same for a folder and for a Hub repository.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

USUAL = ("onnx/model.onnx", "model.onnx")
"""Full precision, as exported."""

BY_PRECISION = (
    "model_optimized", "model_O1", "model_O2", "model_O3",
    "model_fp16", "model_float16", "model_O4",
    "model_quantized", "model_int8", "model_q8", "model_qint8_avx512_vnni", "model_qint8_avx512", "model_quint8_avx2",
    "model_qint8_arm64", "model_uint8",
    "model_q4", "model_q4f16", "model_bnb4", "model_int4",
)  # fmt: skip
"""Variants that optimum, sentence-transformers and Transformers.js write: of 32 bits, 16, 8 and 4. Files of 4 bits keep
their activations in 32 or 16."""

_VARIANT = re.compile(
    r"(fp16|bf16|float16|int8|uint8|quant|q4|q8|bnb4|int4|avx|arm64|_O[1-4]\b|optimized|qint|quint)", re.IGNORECASE
)


def best_onnx(paths: Sequence[str]) -> str:
    """The file to take of these, relative to the checkpoint; empty where several have names of their own.

    The usual one; the only one that is no variant; the most exact variant, in `onnx/` before beside; the only one.
    """
    found = [path for path in USUAL if path in paths]
    plain = [path for path in paths if not _VARIANT.search(path)]
    if not found and len(plain) == 1:
        found = plain
    found += [path for name in BY_PRECISION for path in (f"onnx/{name}.onnx", f"{name}.onnx") if path in paths]
    if not found and len(paths) == 1:
        found = list(paths)
    return found[0] if found else ""
