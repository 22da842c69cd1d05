"""Metrics of its own: what they hold, and what they refuse."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.counters = pb_utils.MetricFamily(
            name="compared_requests", description="Requests", kind=pb_utils.MetricFamily.COUNTER
        )
        self.gauges = pb_utils.MetricFamily(
            name="compared_level", description="A level", kind=pb_utils.MetricFamily.GAUGE
        )
        self.counter = self.counters.Metric(labels={"model": "custom_metrics", "version": "1"})
        self.gauge = self.gauges.Metric(labels={"model": "custom_metrics"})

    def execute(self, requests):
        return [self.answer(request.inputs()[0].as_numpy().tolist()) for request in requests]

    def answer(self, values):
        before = self.counter.value()
        self.gauge.set(2.5)
        self.gauge.increment(-1)
        self.counter.increment(3)
        told = [self.counter.value() - before, self.gauge.value()]
        for wrong in (lambda: self.counter.increment(-1), lambda: self.counter.set(4)):
            try:
                wrong()
                told.append("no error")
            except pb_utils.TritonModelException as error:
                told.append(str(error))
        texts = np.array([str(one).encode() for one in told], dtype=np.object_)
        return pb_utils.InferenceResponse([pb_utils.Tensor("text", texts)])
