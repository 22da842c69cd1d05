"""Tensors by DLPack, both ways, with torch, which has what numpy has not: bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from naiad.core.datatypes import TABLE
from naiad.core.message import InferRequest
from naiad.core.tensor import Tensor

from .conftest import Code, answer, request_of, value

pytest.importorskip("torch", reason="torch is not installed (requirements/torch-itself.txt)")

DOUBLED = """
    import json
    import numpy as np
    import torch
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [pb_utils.InferenceResponse([self.answer(request)]) for request in requests]

        def answer(self, request):
            (tensor,) = request.inputs()
            return getattr(self, json.loads(request.parameters())["how"])(tensor, "out_" + tensor.name())

        def protocol(self, tensor, name):
            found = torch.from_dlpack(tensor)
            return pb_utils.Tensor.from_dlpack(name, found | found if found.dtype == torch.bool else found * 2)

        def capsule(self, tensor, name):
            found = torch.utils.dlpack.from_dlpack(tensor.to_dlpack())
            return pb_utils.Tensor.from_dlpack(name, torch.utils.dlpack.to_dlpack(
                found | found if found.dtype == torch.bool else found * 2))

        def strides(self, tensor, name):
            found = torch.from_dlpack(tensor)
            doubled = found | found if found.dtype == torch.bool else found * 2
            wide = torch.stack([doubled, doubled], dim=-1)[..., 1]  # every second element of a larger tensor
            assert wide.numel() < 2 or not wide.is_contiguous()
            return pb_utils.Tensor.from_dlpack(name, wide)

        def in_place(self, tensor, name):
            found = torch.from_dlpack(tensor)
            if found.dtype == torch.bool:
                return pb_utils.Tensor.from_dlpack(name, found)
            found *= 2
            return pb_utils.Tensor.from_dlpack(name, found)
"""
KINDS = [row for row in TABLE if row.name not in ("BYTES", "UINT16", "UINT32", "UINT64")]
"""torch has no arithmetic of the larger unsigned integers."""


@pytest.fixture(scope="module")
def doubled(shared_code: Code) -> Any:
    inputs = [{"name": row.name, "data_type": row.config_name, "dims": [-1, -1], "optional": True} for row in KINDS]
    outputs = [{"name": f"out_{row.name}", "data_type": row.config_name, "dims": [-1, -1]} for row in KINDS]
    return shared_code.load(DOUBLED, input=inputs, output=outputs)


@pytest.mark.parametrize("how", ["protocol", "capsule", "strides", "in_place"])
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (1, 1), (200, 100)])
@pytest.mark.parametrize("kind", [row.name for row in KINDS])
def test_there_and_back(doubled: Any, kind: str, shape: tuple[int, int], how: str) -> None:
    numbers = (np.arange(shape[0] * shape[1]) % 2).reshape(shape)
    if kind == "BF16":  # the upper half of a float32
        given = (numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        wanted = ((numbers * 2).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    else:
        dtype = next(row.numpy for row in KINDS if row.name == kind)
        given, wanted = numbers.astype(dtype), (numbers if kind == "BOOL" else numbers * 2).astype(dtype)
    request = InferRequest("m", inputs={kind: Tensor(kind, kind, given)}, parameters={"how": how})
    (output,) = answer(doubled, request).outputs
    assert (output.datatype, output.shape) == (kind, shape)
    assert np.array_equal(output.data, wanted)


REFUSING = """
    import numpy as np
    import torch
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            told = []
            capsule = torch.utils.dlpack.to_dlpack(torch.ones(2))
            pb_utils.Tensor.from_dlpack("a", capsule)
            text = pb_utils.Tensor("t", np.array([b"x"], object))
            bfloat = pb_utils.Tensor.from_dlpack("b", torch.ones(2, dtype=torch.bfloat16))
            assert (bfloat.triton_dtype(), bfloat.shape()) == (14, [2])
            for do in (
                lambda: pb_utils.Tensor.from_dlpack("a", capsule),
                lambda: pb_utils.Tensor.from_dlpack("", torch.ones(2)),
                lambda: pb_utils.Tensor.from_dlpack("a", 5),
                lambda: pb_utils.Tensor.from_dlpack("a", torch.ones(2, dtype=torch.complex64)),
                text.to_dlpack,
                bfloat.as_numpy,
            ):
                try:
                    do()
                    told.append("no error")
                except pb_utils.TritonModelException as error:
                    told.append(str(error))
            said = np.array([one.encode() for one in told], object)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", said)]) for _ in requests]
"""


def test_what_cannot_be(code: Code) -> None:
    instance = code.load(REFUSING, output=[{"name": "y", "data_type": "TYPE_STRING", "dims": [-1]}])
    told = [one.decode() for one in value(answer(instance, request_of())).tolist()]
    assert told[:3] == [
        "from_dlpack: the capsule has been used before, or is none of DLPack's",
        "Tensor name cannot be an empty string.",
        "from_dlpack: int is no DLPack capsule and has no __dlpack__",
    ]
    assert told[3] == "Tensor 'a': numpy dtype complex64 has no Triton datatype"
    assert told[4] == "DLPack does not have support for string tensors."
    assert told[5] == "Tensor 'b' is BF16, which numpy does not have; use to_dlpack()"
