"""MLServer's custom runtimes; its adaptive batching joins requests along the first axis before `predict`."""

from __future__ import annotations

from encoder import Encoder
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Embed(MLModel):
    async def load(self) -> bool:
        self.encoder = Encoder.from_environment()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        texts = StringCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("embedding", self.encoder.encode(texts))
        return InferenceResponse(model_name=self.name, outputs=[output])


class Simple(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        first, second = (NumpyCodec.decode_input(tensor) for tensor in payload.inputs)
        outputs = [
            NumpyCodec.encode_output("OUTPUT0", first + second),
            NumpyCodec.encode_output("OUTPUT1", first - second),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
