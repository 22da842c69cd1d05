"""The Flask service that many begin with: a model that takes ten milliseconds a run, in a view function.

The same file under Waitress and under `naiad serve`; there, calls of the model that come together share runs.
"""

from __future__ import annotations

import threading
import time

from flask import Flask, jsonify, request

try:
    from naiad import batched
except ImportError:  # under Waitress there is no Naiad

    def batched(function):
        return function


SECONDS = 0.010

app = Flask(__name__)
one_run = threading.Lock()


@batched
def model(rows: list[list[float]]) -> list[list[float]]:
    """Give back what it got; one run at a time, as a model that has all of a machine."""
    with one_run:
        time.sleep(SECONDS)
    return rows


@app.post("/predict")
def predict():
    return jsonify(values=model([request.get_json()["values"]])[0])


@app.get("/ready")
def ready():
    return "ready"
