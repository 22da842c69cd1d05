"""Every datatype, turned round, and what it is called."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        tensors, types = [], []
        for tensor in sorted(request.inputs(), key=lambda one: one.name()):
            array = tensor.as_numpy()
            tensors.append(pb_utils.Tensor("out_" + tensor.name(), array[::-1]))
            types.append(f"{array.dtype.name} {pb_utils.numpy_to_triton_type(array.dtype.type)}")
        texts = np.array([one.encode() for one in sorted(types)], dtype=np.object_)
        return pb_utils.InferenceResponse([*tensors, pb_utils.Tensor("types", texts)])
