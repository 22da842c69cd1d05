"""What the helper functions give."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        kinds = [np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64]
        names = ["BOOL", "UINT8", "INT8", "FP16", "FP32", "FP64", "STRING", "INT64"]
        found = [
            pb_utils.get_input_config_by_name(config, "x"),
            pb_utils.get_input_config_by_name(config, "nobody"),
            pb_utils.get_output_config_by_name(config, "text")["dims"],
            pb_utils.using_decoupled_model_transaction_policy(config),
            [pb_utils.numpy_to_triton_type(one) for one in (*kinds, np.float16, np.float32, np.float64, np.object_)],
            [np.dtype(pb_utils.triton_string_to_numpy(f"TYPE_{one}")).name for one in names],
            [np.dtype(pb_utils.triton_to_numpy_type(number)).name for number in range(1, 14)],
            sorted(pb_utils.TRITON_STRING_TO_NUMPY),
            [pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START, pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END],
            [pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL],
            [pb_utils.TRITONSERVER_REQUEST_RELEASE_ALL, pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE],
        ]
        self.told = np.array([json.dumps(one, sort_keys=True).encode() for one in found], dtype=np.object_)

    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("text", self.told)]) for _ in requests]
