"""A Flask service as it is anywhere, with one mark: calls of the model that come together run together.

python examples/migrate/flask_application.py       # serves it, asks it fifty times at once, and stops
naiad serve examples/migrate/flask_application.py:app
"""
# ruff: noqa: D103, INP001, S310, T201 - a script; it prints, and asks itself

import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import numpy as np
from flask import Flask, jsonify, request

import naiad
from naiad.compat.flask import running  # before: from waitress import serve

app = Flask(__name__)
weights = np.arange(6, dtype=np.float32).reshape(3, 2)


@naiad.batched  # new
def model(rows):
    time.sleep(0.1)  # what a run of a real model takes, whether it has one row or fifty
    return rows @ weights


@app.post("/predict")
def predict():
    row = np.array(request.get_json()["features"], dtype=np.float32)
    if row.shape != (3,):
        return jsonify(error="features must be three numbers"), 400
    return jsonify(scores=model(row[None])[0].tolist())


def ask(url, features):
    body = json.dumps({"features": features}).encode()
    with urlopen(Request(f"{url}/predict", body, {"Content-Type": "application/json"})) as answer:
        return json.load(answer)["scores"]


if __name__ == "__main__":
    with running(app) as url:
        print(ask(url, [1, 2, 3]))
        with ThreadPoolExecutor(50) as threads:
            scores = list(threads.map(lambda number: ask(url, [number, 0, 0]), range(50)))
        print(scores == [[0.0, number] for number in range(50)])
        with urlopen(f"{url}/v2/models/app.model/stats") as answer:
            runs = json.load(answer)["model_stats"][0]["execution_count"]
        print("together" if runs < 25 else f"in {runs} runs")
