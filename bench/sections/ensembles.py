"""What an ensemble costs: three identity steps against one identity model, and a text model in steps.

The overhead is how much longer one client waits for the ensemble of three than for the model alone. Triton's wheel has
no backend but Python's; Naiad is measured with the same file, and with its identity backend, which costs next to
nothing. The text model in steps is compared with what its parts took meanwhile, by the server's own statistics.
"""

from __future__ import annotations

import json
import urllib.request

from contender import Files
from drive import measure_load, post
from match import Pace, note, record
from peers import ensembles
from peers.naiad import Naiad
from peers.slow import VALUES
from peers.triton import Triton
from quiet import Witness
from server_process import Running, running
from texts import make_texts

SAME = "Naiad, the same model.py"
TEXT = "text"
TENSOR = {"name": "IN", "datatype": "FP32", "shape": [4], "data": VALUES}


def measure(pace: Pace, files: Files, *, with_triton: bool = True) -> dict[str, object]:
    """In each round, figures of the ensemble and the model alone by contender; and of the text model in steps."""
    ways = {Naiad.name: (Naiad.name, "identity"), SAME: (Naiad.name, "python")}
    if with_triton:
        ways[Triton.name] = (Triton.name, "python")
    log, rounds = files.folder / "logs" / "ensembles.log", []
    for number in range(pace.rounds):
        figures = {}
        for way in [*ways][::-1] if number % 2 else [*ways]:
            with running(ensembles.launch(ways[way][0], files, ways[way][1]), log) as server:
                figures[way] = _three_and_one(server, pace)
            note(f"  ensembles, round {number + 1}: {way} {figures[way]['overhead_us']:.0f} µs more than one model")
        with running(ensembles.launch_text(files), log) as server:
            figures[TEXT] = _text(server, pace)
        rounds.append(figures)
    return {"rounds": rounds}


def _three_and_one(server: Running, pace: Pace) -> dict[str, object]:
    found = {}
    for model in (ensembles.THREE, ensembles.PART):
        requests = [_request(model, TENSOR)]
        measure_load(server.port, requests, 1, pace.warm_up_s)
        witness = Witness(server.processor_s)
        figures = measure_load(server.port, requests, 1, pace.seconds)
        _check(figures.bodies[0])
        found[model] = record(figures) | {"others_share": witness.others_share()}
    whole, one = (found[model]["p50_ms"] * 1000 for model in (ensembles.THREE, ensembles.PART))
    return found | {"overhead_us": whole - one}


def _check(body: bytes) -> None:
    """Raise RuntimeError unless it is the right answer."""
    if json.loads(body)["outputs"][0]["data"] != VALUES:
        raise RuntimeError(f"a wrong answer: {body[:200]!r}")


def _text(server: Running, pace: Pace) -> dict[str, float]:
    names = (ensembles.TEXT, *ensembles.TEXT_PARTS)
    inputs = [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": [one]} for one in make_texts()[:64]]
    requests = [_request(ensembles.TEXT, one) for one in inputs]
    measure_load(server.port, requests, 1, pace.warm_up_s)
    before = [_spent_s(server.port, name) for name in names]
    measured = measure_load(server.port, requests, 1, pace.seconds)
    spent = [_spent_s(server.port, name) - earlier for name, earlier in zip(names, before, strict=True)]
    return {"ensemble_us": spent[0] / measured.answers * 1e6, "parts_us": sum(spent[1:]) / measured.answers * 1e6}


def _request(model: str, tensor: dict[str, object]) -> bytes:
    return post(f"/v2/models/{model}/infer", json.dumps({"inputs": [tensor]}).encode())


def _spent_s(port: int, model: str) -> float:
    """Seconds that requests to a model took, all together, so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{model}/stats", timeout=10) as answer:
        (row,) = json.loads(answer.read())["model_stats"]
    return row["inference_stats"]["success"]["ns"] / 1e9
