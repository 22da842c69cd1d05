"""KServe's own clients against a server; runs in .bench/env/kserve, which has them.

ask.py HTTP_URL GRPC_ADDRESS MODEL TEXT…   prints, for REST and gRPC, what each said, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig


def request(model: str, texts: list[str], protocol: str) -> InferRequest:
    one = InferInput(name="text", shape=[len(texts)], datatype="BYTES", data=texts)
    if protocol == "grpc":
        one = InferInput(name="text", shape=[len(texts)], datatype="BYTES", data=[text.encode() for text in texts])
    return InferRequest(model_name=model, infer_inputs=[one], request_id="one")


def told(answer: Any) -> dict[str, Any]:
    return {
        "id": answer.id,
        "outputs": [
            {
                "name": each.name,
                "shape": list(each.shape),
                "datatype": each.datatype,
                "data": each.as_numpy().ravel().tolist(),
            }
            for each in answer.outputs
        ],
    }


async def rest(url: str, model: str, texts: list[str]) -> dict[str, Any]:
    """Without its questions about health: it expects bodies, which Triton's answers to these do not have."""
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    return told(await client.infer(url, request(model, texts, "rest"), model_name=model))


async def grpc(address: str, model: str, texts: list[str]) -> dict[str, Any]:
    async with InferenceGRPCClient(address) as client:
        found = {
            "ready": await client.is_server_ready(),
            "live": await client.is_server_live(),
            "model": await client.is_model_ready(model),
        }
        return found | told(await client.infer(request(model, texts, "grpc")))


async def main() -> None:
    url, address, model, *texts = sys.argv[1:]
    json.dump({"rest": await rest(url, model, texts), "grpc": await grpc(address, model, texts)}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
