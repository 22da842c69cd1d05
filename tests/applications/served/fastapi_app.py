"""A FastAPI application with a bit of everything."""

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from fastapi import BackgroundTasks, FastAPI, Form, HTTPException, Request, UploadFile, WebSocket
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import naiad

NOTES = Path(os.environ.get("NOTES", os.devnull))
seen = []


def note(text):
    with NOTES.open("a") as file:
        file.write(text + "\n")


@asynccontextmanager
async def lifespan(app):
    note("startup")
    yield {"model": "loaded"}
    note("shutdown")


app = FastAPI(lifespan=lifespan)


@naiad.batched
async def double(values: np.ndarray) -> np.ndarray:
    """A coroutine function, slow, so that calls meet."""
    await asyncio.sleep(0.05)
    return np.stack([values * 2, np.full_like(values, len(values))], axis=1)


@naiad.batched
def lengths(texts: list[str]) -> tuple[list[int], np.ndarray]:
    return [len(text) for text in texts], np.arange(len(texts))


class Body(BaseModel):
    x: float


@app.post("/double")
async def doubled(body: Body):
    twice, rows = (await double(np.array([body.x])))[0]
    return {"y": twice, "rows": rows}


@app.post("/lengths")
def plain(texts: list[str]):
    return lengths(texts)[0]


@app.post("/lengths/async")
async def awaited(texts: list[str]):
    return (await lengths.aio(texts))[0]


@app.get("/state")
async def state(request: Request):
    return {"model": request.state.model, "client": request.client.host, "url": str(request.url)}


@app.post("/upload")
async def upload(file: UploadFile, more: str = Form()):
    data = await file.read()
    return {"name": file.filename, "size": len(data), "more": more}


@app.get("/stream")
async def stream(n: int = 3, pause: float = 0):
    async def parts():
        try:
            for index in range(n):
                await asyncio.sleep(pause)
                yield f"{index}\n" * 1000
        finally:
            seen.append("closed")

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/seen")
async def what_was_seen():
    return seen


@app.get("/later")
async def later(tasks: BackgroundTasks, s: float):
    async def work():
        await asyncio.sleep(s)
        note("background")

    tasks.add_task(work)
    return "told"


@app.get("/refused")
async def refused():
    raise HTTPException(403, "not you")


@app.get("/fails")
async def fails():
    raise RuntimeError("a secret of the application")


@app.get("/old")
async def old(request: Request):
    return RedirectResponse(request.url_for("state"))


@app.websocket("/ws")
async def socket(websocket: WebSocket):
    await websocket.accept()


async def mounted(request):
    return PlainTextResponse(f"{request.scope['root_path']} {request.path_params['name']}")


app.mount("/sub", Starlette(routes=[Route("/{name}", mounted)]))
