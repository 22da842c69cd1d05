"""Triton's own clients in threads: some keep to it, some lose their patience, withdraw requests or leave streams.

Each of them checks its own answers: one to each request, right, or an error that the request may get.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from served import Served
from tritonclient.utils import InferenceServerException

PATIENCE_S = 30.0
BAD = 99
"""What the models `fails` and `dies` cannot take."""
ALLOWED = {
    "levels": ("Exceeds maximum queue size", "Request timeout expired"),
    "ordered": (),
    "dies": ("exited with status 3", "is being started again"),
    "fails": ("indices element out of data bounds",),
}
"""Words of errors that a request may be answered with, by model."""
BAD_SHARE = {"fails": 0.1, "dies": 0.005}
"""Of requests with something that the model cannot take, by model."""
PATIENT = ("Deadline Exceeded", "timed out", "Locally cancelled", "cancelled")
"""Words of errors of clients that have lost their patience."""


class Wrong(Exception):
    """Somebody was not answered as promised."""


class Crowd:
    """What all clients share."""

    def __init__(self, server: Served, repository: Path, seconds: float) -> None:
        self.server = server
        self.repository = repository
        self.end_s = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.end_s and not self.wrong

    @property
    def http_url(self) -> str:
        return f"127.0.0.1:{self.server.http_port}"

    @property
    def grpc_url(self) -> str:
        return f"127.0.0.1:{self.server.grpc_port}"

    def run(self, kinds: dict[Callable[[Crowd, random.Random], None], int]) -> None:
        threads = [
            threading.Thread(target=self._one, args=(kind, seed))
            for kind, count in kinds.items()
            for seed in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.wrong:
            raise SystemExit(f"answered wrong: {self.wrong[0]}")

    def _one(self, kind: Callable[[Crowd, random.Random], None], seed: int) -> None:
        try:
            kind(self, random.Random(f"{kind.__name__} {seed}"))
        except Exception as error:  # noqa: BLE001 - whatever it is, everybody is to stop
            self.wrong.append(f"{kind.__name__}: {error!r}")

    def judge(self, model: str, sent: list[int], found: Any, *, is_patient: bool = True) -> None:
        """found: the answer's numbers, or the error."""
        if not isinstance(found, Exception):
            if found != sent:
                raise Wrong(f"{model}: {found} for {sent}")
            self.counts[f"{model} answered"] += 1
            return
        words = str(found)
        if any(allowed in words for allowed in ALLOWED[model]) and (model != "fails" or BAD in sent):
            self.counts[f"{model} refused or failed"] += 1
        elif not is_patient and any(one in words for one in PATIENT):
            self.counts[f"{model} given up"] += 1
        else:
            raise Wrong(f"{model}: {found} for {sent}")


def numbers_for(model: str, choose: random.Random) -> list[int]:
    numbers = [choose.randrange(BAD) for _ in range(choose.choice((1, 1, 1, 3)))]
    return [BAD, *numbers[1:]] if choose.random() < BAD_SHARE.get(model, 0.0) else numbers


def inputs_of(module: Any, numbers: list[int]) -> list[Any]:
    tensor = module.InferInput("x", [len(numbers), 1], "INT32")
    tensor.set_data_from_numpy(np.array(numbers, np.int32)[:, None])
    return [tensor]


def options_of(choose: random.Random) -> dict[str, Any]:
    return {"priority": choose.randrange(4), "timeout": choose.choice((None, None, 3000))}


def infer(client: Any, model: str, numbers: list[int], choose: random.Random) -> Any:
    """The answer's numbers, or the error."""
    try:
        result = client.infer(model, inputs_of(http, numbers), **options_of(choose))
    except (InferenceServerException, OSError) as error:
        return error
    return result.as_numpy("y").ravel().tolist()


def over_http(crowd: Crowd, choose: random.Random) -> None:
    """One request after the other on a connection that is kept."""
    with http.InferenceServerClient(crowd.http_url, network_timeout=PATIENCE_S) as client:
        while crowd.goes_on:
            model = choose.choice(list(ALLOWED))
            numbers = numbers_for(model, choose)
            crowd.judge(model, numbers, infer(client, model, numbers, choose))


def leaving_http(crowd: Crowd, choose: random.Random) -> None:
    """Closes its connection when its patience is over."""
    while crowd.goes_on:
        with http.InferenceServerClient(crowd.http_url, network_timeout=choose.choice((0.001, 0.004))) as client:
            model = choose.choice(list(ALLOWED))
            numbers = numbers_for(model, choose)
            crowd.judge(model, numbers, infer(client, model, numbers, choose), is_patient=False)


def over_grpc(crowd: Crowd, choose: random.Random) -> None:
    """Some with a short deadline, some withdrawn while they are under way; each hears exactly once."""
    with grpc.InferenceServerClient(crowd.grpc_url) as client:
        while crowd.goes_on:
            model = choose.choice(list(ALLOWED))
            numbers = numbers_for(model, choose)
            told: list[Any] = []
            over = threading.Event()

            def tell(result: Any, error: Any, told: list[Any] = told, over: threading.Event = over) -> None:
                told.append(error if result is None else result.as_numpy("y").ravel().tolist())
                over.set()

            limit_s = choose.choice((PATIENCE_S, PATIENCE_S, 0.004))
            options = options_of(choose)
            call = client.async_infer(model, inputs_of(grpc, numbers), tell, client_timeout=limit_s, **options)
            is_withdrawn = choose.random() < 0.2
            if is_withdrawn:
                call.cancel()
            if not over.wait(PATIENCE_S) or len(told) != 1:
                raise Wrong(f"{model}: told {len(told)} times")
            crowd.judge(model, numbers, told[0], is_patient=limit_s == PATIENCE_S and not is_withdrawn)


class Heard:
    """What a stream has told, by request."""

    def __init__(self) -> None:
        self.answers: dict[str, list[int]] = {}
        self.errors: list[Any] = []
        self.ended = threading.Semaphore(0)

    def tell(self, result: Any, error: Any) -> None:
        if error is not None:
            self.errors.append(error)
            self.ended.release()
            return
        answer = result.get_response()
        if answer.outputs:
            self.answers.setdefault(answer.id, []).append(int(result.as_numpy(answer.outputs[0].name).ravel()[0]))
        if answer.parameters["triton_final_response"].bool_param:
            self.ended.release()

    def wait(self, requests: int) -> None:
        for _ in range(requests):
            if not self.ended.acquire(timeout=PATIENCE_S):
                raise Wrong("a stream has no end")


def over_a_stream(crowd: Crowd, choose: random.Random) -> None:
    """Requests of many answers and of one; sometimes it leaves in the middle."""
    while crowd.goes_on:
        heard, leaves = Heard(), choose.random() < 0.3
        wanted = [choose.randrange(1, 6) for _ in range(8)]
        with grpc.InferenceServerClient(crowd.grpc_url) as client:
            client.start_stream(heard.tell)
            for number, count in enumerate(wanted):
                model, name, shape = ("squares", "IN", [1]) if number % 2 else ("ordered", "x", [1, 1])
                one = grpc.InferInput(name, shape, "INT32")
                one.set_data_from_numpy(np.full(shape, count, np.int32))
                client.async_stream_infer(model, [one], request_id=str(number), enable_empty_final_response=True)
            heard.wait(choose.randrange(4) if leaves else len(wanted))
            client.stop_stream(cancel_requests=leaves)
        if leaves:
            crowd.counts["streams left"] += 1
            continue
        right = {str(number): [count] * (count if number % 2 else 1) for number, count in enumerate(wanted)}
        if heard.errors or heard.answers != right:
            raise Wrong(f"stream: {heard.answers} instead of {right}, {heard.errors}")
        crowd.counts["streams answered"] += 1


def reloading(crowd: Crowd, choose: random.Random) -> None:
    with http.InferenceServerClient(crowd.http_url, network_timeout=PATIENCE_S) as client:
        while crowd.goes_on:
            model = choose.choice((*ALLOWED, "squares"))
            file = crowd.repository / model / "config.pbtxt"
            file.write_text(file.read_text().rstrip("\n ") + "\n" * choose.randrange(1, 5))
            client.load_model(model)
            crowd.counts["loads"] += 1
            time.sleep(0.1)
