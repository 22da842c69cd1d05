"""Strings in, strings and their lengths out; also as an array of fixed width."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        given = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
        if given.dtype != np.object_:
            raise TypeError(given.dtype)
        upper = np.array([one.upper() for one in given.ravel()], dtype=np.object_).reshape(given.shape)
        length = np.array([len(one) for one in given.ravel()], np.int32).reshape(given.shape)
        raw = pb_utils.serialize_byte_tensor(given)
        again = pb_utils.deserialize_bytes_tensor(raw.item() if hasattr(raw, "item") else raw)
        if again.tolist() != given.ravel().tolist():
            raise ValueError("not the same")
        fixed = np.array([b"ab", b"c"], dtype="S2")
        tensors = [pb_utils.Tensor("upper", upper), pb_utils.Tensor("length", length), pb_utils.Tensor("fixed", fixed)]
        return pb_utils.InferenceResponse(tensors)
