"""A FastAPI service as it is anywhere, with one mark: calls of the model that come together run together.

python examples/migrate/fastapi_application.py     # serves it, asks it fifty times at once, and stops
naiad serve examples/migrate/fastapi_application.py:app
"""
# ruff: noqa: ARG001, D101, D103, INP001, S310, T201 - a script; it prints, and asks itself

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from fastapi import FastAPI
from pydantic import BaseModel

import naiad
from naiad.compat.fastapi import running  # before: import uvicorn


@asynccontextmanager
async def lifespan(app):
    yield {"words": {"good": 1, "bad": -1}}


app = FastAPI(lifespan=lifespan)


class Body(BaseModel):
    text: str


@naiad.batched(max_batch_size=64)  # new
def sentiment(texts: list[str]) -> list[int]:
    time.sleep(0.1)  # what a run of a real model takes, whether it has one text or fifty
    return [text.count("good") - text.count("bad") for text in texts]


@app.post("/sentiment")
async def predict(body: Body) -> dict[str, int]:
    (score,) = await sentiment.aio([body.text])  # before: (score,) = sentiment([body.text])
    return {"score": score}


def ask(url, document):
    body = json.dumps(document).encode()
    with urlopen(Request(f"{url}/sentiment", body, {"Content-Type": "application/json"})) as answer:
        return json.load(answer)["score"]


if __name__ == "__main__":
    with running(app) as url:
        with ThreadPoolExecutor(50) as threads:
            print(sum(threads.map(lambda number: ask(url, {"text": "good" * number}), range(50))))
        try:
            ask(url, {"txt": "good"})
        except HTTPError as error:
            print(error.code, json.load(error)["detail"][0]["msg"])
