"""Lower precision for exported graphs, so that no answer depends on batch mates.

    fp16         weights are stored in half precision and computed with in float32
    int8         products in 8-bit integers, with an activation scale for every token: as our own builder's
    int8-exact   weights in 8 bits by blocks of 32, activations in float32
    int4         weights in 4 bits by blocks of 32, activations in float32

The usual dynamic quantisation, with one activation scale for a whole tensor, is not here: its answers depend on what
else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from naiad.convert.encoder.graph import INLINE_BYTES
from naiad.convert.encoder.quantize import SMALLEST as SMALLEST_SCALE
from naiad.convert.encoder.quantize import has_fast_signed_products
from naiad.convert.rewriting.graph_file import opset_of
from naiad.convert.rewriting.products import Rewriting, rewrite_products
from naiad.core.errors import Unsupported
from naiad.core.tensor import Array
from naiad.proto.onnx_messages import FLOAT, make_node, make_opset, make_tensor, read_tensor

BLOCK = 32
CONTRIB = "com.microsoft"

MIDDLE = 128
"""The unsigned number that stands for zero."""


def lower_precision(model: Any, precision: str) -> None:
    """Rewrite an ONNX model, weights in memory. Raises Unsupported where there is nothing to make smaller."""
    if PRECISIONS[precision](model) == 0:
        raise Unsupported(
            f"{precision} makes matrix products smaller, and this graph has none with constant weights (convolutions "
            "stay as they are); choose fp32 or fp16",
            precision=precision,
        )


def _half(model: Any) -> int:
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != FLOAT or (array := read_tensor(tensor)).nbytes < INLINE_BYTES:
            continue
        name = f"{tensor.name}_half"
        limit = np.finfo(np.float16).max
        casts.append(make_node("Cast", [name], [tensor.name], to=FLOAT))
        tensor.CopyFrom(make_tensor(name, np.clip(array, -limit, limit).astype(np.float16)))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return len(casts)


def _int8(model: Any) -> int:
    quantised: dict[str, tuple[str, str, str]] = {}
    signed = has_fast_signed_products()

    def product(made: Rewriting, x: str, matrix: Array, output: str) -> None:
        if x not in quantised:
            quantised[x] = _quantise_tokens(made, x, len(matrix))
        y = _integer_product(made, quantised[x], matrix, signed=signed)
        before = made.op("Slice", made.op("Shape", x), *_constants(made, [0], [-1], [0]))
        shape = made.op("Concat", before, *_constants(made, [matrix.shape[1]]), axis=0)
        made.op("Reshape", y, shape, output=output)

    return rewrite_products(model, product, opset_of(model))


def _quantise_tokens(made: Rewriting, x: str, width: int) -> tuple[str, str, str]:
    """(tokens, in) uint8, the number that stands for zero, and (tokens,) float32 scales."""
    flat = made.op("Reshape", x, *_constants(made, [-1, width]))
    reach = made.reduce_max(made.op("Abs", flat), 1)
    scale = made.op("Mul", reach, made.weight(np.array(1 / 127, np.float32)))
    scale = made.op("Max", scale, made.weight(np.array(SMALLEST_SCALE, np.float32)))
    middle = made.weight(np.array(MIDDLE, np.uint8))
    zeros = made.op("Expand", middle, made.op("Shape", scale))
    return made.op("QuantizeLinear", flat, scale, zeros, axis=0), middle, scale


def _integer_product(made: Rewriting, quantised: tuple[str, str, str], matrix: Array, *, signed: bool) -> str:
    """(tokens, out) float32; see `encoder/quantize.py` for the choice of signed weights."""
    x, middle, scale = quantised
    step = np.maximum(np.abs(matrix).max(axis=0) / 127, SMALLEST_SCALE).astype(np.float32)
    rounded = np.rint(matrix / step)
    integers = rounded.astype(np.int8) if signed else (rounded + MIDDLE).astype(np.uint8)
    terms = [x, made.weight(integers), middle, *([] if signed else [middle])]
    y = made.op("DequantizeLinear", made.op("MatMulInteger", *terms), scale, axis=0)
    return made.op("Mul", y, made.weight(step))


def _constants(made: Rewriting, *rows: list[int]) -> list[str]:
    return [made.weight(np.array(row, np.int64)) for row in rows]


def _by_blocks(model: Any, *, bits: int) -> int:
    def product(made: Rewriting, x: str, matrix: Array, output: str) -> None:
        packed, scales = pack_blocks(matrix, bits)
        made.op(
            "MatMulNBits", x, made.weight(packed), made.weight(scales),
            output=output, domain=CONTRIB, K=matrix.shape[0], N=matrix.shape[1], bits=bits, block_size=BLOCK,
        )  # fmt: skip

    replaced = rewrite_products(model, product, opset_of(model))
    if replaced and all(one.domain != CONTRIB for one in model.opset_import):
        model.opset_import.append(make_opset(CONTRIB, 1))
    return replaced


def pack_blocks(matrix: Array, bits: int) -> tuple[Array, Array]:
    """(in, out) as MatMulNBits wants it: (out, blocks, bytes) uint8, the middle standing for zero; (out * blocks,)."""
    inputs, outputs = matrix.shape
    blocks = -(-inputs // BLOCK)
    padded = np.zeros((outputs, blocks * BLOCK), np.float32)
    padded[:, :inputs] = matrix.T
    cut = padded.reshape(outputs, blocks, BLOCK)
    middle = 1 << (bits - 1)
    reach = np.take_along_axis(cut, np.abs(cut).argmax(axis=2)[..., None], axis=2)
    scales = np.where(reach == 0, 1, reach / -middle).astype(np.float32)  # the farthest value is met exactly
    numbers = np.clip(np.rint(cut / scales) + middle, 0, 2 * middle - 1).astype(np.uint8)
    if bits == 4:
        numbers = numbers[..., 0::2] | (numbers[..., 1::2] << 4)
    return numbers, scales[..., 0].ravel()


PRECISIONS: dict[str, Callable[[Any], int]] = {
    "fp16": _half,
    "int8": _int8,
    "int8-exact": partial(_by_blocks, bits=8),
    "int4": partial(_by_blocks, bits=4),
}
"""Precision → what rewrites a model and gives how many weights it made smaller."""
