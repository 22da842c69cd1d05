"""Gives the elements back one by one, from a thread of its own for each request."""

import json
import threading
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        if not pb_utils.using_decoupled_model_transaction_policy(config):
            raise pb_utils.TritonModelException(f"the model `{args['model_name']}` must be decoupled")
        self.under_way = 0
        self.lock = threading.Lock()

    def execute(self, requests):
        for request in requests:
            names = ("IN", "DELAY", "WAIT")
            values, delays, wait = (pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in names)
            with self.lock:
                self.under_way += 1
            arguments = (request.get_response_sender(), values, delays)
            threading.Thread(target=self.answer, args=arguments, daemon=True).start()
            time.sleep(wait[0] / 1000)

    def answer(self, sender, values, delays):
        for index, (value, delay) in enumerate(zip(values, delays)):
            time.sleep(delay / 1000)
            tensors = [
                pb_utils.Tensor("OUT", np.array([value], np.int32)),
                pb_utils.Tensor("IDX", np.array([index], np.uint32)),
            ]
            sender.send(pb_utils.InferenceResponse(output_tensors=tensors))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        with self.lock:
            self.under_way -= 1

    def finalize(self):
        while self.under_way:
            time.sleep(0.01)
