"""Runs one program with PyTriton or with ours: `pytriton_script.py PACKAGE HTTP GRPC METRICS` prints what came back.

Not a test: `test_real_triton_pytriton.py` starts it once with each, in the environment that has it.
"""

import asyncio
import importlib
import json
import sys

import numpy as np

PACKAGE, HTTP, GRPC, METRICS = sys.argv[1], *map(int, sys.argv[2:])
client, decorators, model_config, triton = (
    importlib.import_module(f"{PACKAGE}.{name}") for name in ("client", "decorators", "model_config", "triton")
)
Tensor, ModelConfig, batch = model_config.Tensor, model_config.ModelConfig, decorators.batch


def tensor(name, dtype=np.float32, shape=(-1,), optional=False):
    return Tensor(name=name, dtype=dtype, shape=shape, optional=optional)


@batch
def add_sub(**inputs):
    a, b = inputs.values()
    return {"add": a + b, "sub": a - b}


@batch
def as_list(x):
    return [x * 2]


def undecorated(requests):
    return [{"y": request["x"] + float(request.parameters.get("more", 0))} for request in requests]


@batch
async def waiting(x):
    await asyncio.sleep(0)
    return [x * 3]


@batch
def strings(text):
    return {"loud": np.char.upper(text.astype(np.bytes_)), "same": text}


@decorators.sample
def total(x):
    return [x.sum(keepdims=True)]


@decorators.fill_optionals(n=np.array([7], np.float32))
@batch
def filled(x, n):
    return [x * n]


@decorators.group_by_keys
@batch
def grouped(x, n=None):
    return [x if n is None else x * n]


@batch
@decorators.group_by_values("n", pad_fn=decorators.ConstantPadder(-1))
def by_values(x, n):
    return {"y": np.repeat(x, int(n[0, 0]), axis=1)}


@batch
@decorators.first_value("n")
def first(x, n):
    return [x * n]


@batch
@decorators.first_value("n")
@decorators.triton_context
def context(x, n, triton_context):
    config = triton_context.model_configs[context]
    return [np.full_like(x, config.max_batch_size)]


@batch
def countdown(x):
    for number in range(int(x[0, 0]), 0, -1):
        yield {"y": np.full_like(x, number)}


@batch
def double_precision(x):
    return [x.astype(np.float64)]


def raising(requests):
    raise ValueError("no such luck")


X, Y, N = tensor("x"), tensor("y"), tensor("n", shape=(1,))
MODELS = {
    "AddSub": (add_sub, [tensor(None), tensor(None)], [tensor("add"), tensor("sub")], {}),
    "List": (as_list, [X], [Y], {}),
    "Undecorated": (undecorated, [X], [Y], {}),
    "Waiting": (waiting, [X], [Y], {}),
    "Strings": (strings, [tensor("text", bytes)], [tensor("loud", bytes), tensor("same", bytes)], {}),
    "Total": (total, [X], [Y], {"batching": False}),
    "Filled": (filled, [X, tensor("n", shape=(1,), optional=True)], [Y], {}),
    "Grouped": (grouped, [X, tensor("n", shape=(1,), optional=True)], [Y], {}),
    "ByValues": (by_values, [X, N], [Y], {}),
    "First": (first, [X, N], [Y], {}),
    "Context": (context, [X, N], [Y], {"max_batch_size": 9}),
    "Countdown": (countdown, [X], [Y], {"decoupled": True}),
    "Loose": (double_precision, [X], [Y], {}),
    "Strict": (double_precision, [X], [Y], {}),
    "Raising": (raising, [X], [Y], {}),
}
A, B, ONE = (
    np.array([[1, 2], [3, 4]], np.float32),
    np.array([[5, 6], [7, 8]], np.float32),
    np.array([[2], [2]], np.float32),
)
TEXT = np.array([[b"one", b""], ["größer".encode(), b"x\0y"]], np.object_)
ASKED = [
    ("AddSub", "infer_batch", (A, B), {}),
    ("AddSub", "infer_sample", (A[0], B[0]), {}),
    ("AddSub", "infer_batch", (), {"INPUT_1": A, "INPUT_2": B}),
    ("AddSub", "infer_batch", (), {}),
    ("AddSub", "infer_batch", (A,), {"INPUT_2": B}),
    ("AddSub", "infer_batch", (A, B[:1]), {}),
    ("AddSub", "infer_batch", (A.astype(np.float64), B), {}),
    ("AddSub", "infer_batch", (np.ones((5, 1), np.float32), np.ones((5, 1), np.float32)), {}),
    ("List", "infer_batch", (A,), {}),
    ("Undecorated", "infer_batch", (A,), {"parameters": {"more": 10}}),
    ("Waiting", "infer_sample", (A[0],), {}),
    ("Strings", "infer_batch", (TEXT,), {}),
    ("Strings", "infer_sample", (TEXT[0],), {}),
    ("Total", "infer_sample", (A[0],), {}),
    ("Total", "infer_batch", (A,), {}),
    ("Filled", "infer_batch", (), {"x": A}),
    ("Filled", "infer_batch", (), {"x": A, "n": ONE}),
    ("Grouped", "infer_batch", (), {"x": A}),
    ("Grouped", "infer_batch", (), {"x": A, "n": ONE}),
    ("ByValues", "infer_batch", (A, np.array([[2], [1]], np.float32)), {}),
    ("First", "infer_batch", (A, ONE), {}),
    ("First", "infer_batch", (A, np.array([[1], [2]], np.float32)), {}),
    ("Context", "infer_batch", (A, ONE), {}),
    ("Countdown", "infer_sample", (np.array([3], np.float32),), {}),
    ("Countdown", "infer_sample", (np.array([0], np.float32),), {}),
    ("Loose", "infer_batch", (A,), {}),
    ("Strict", "infer_batch", (A,), {}),
    ("Raising", "infer_batch", (A,), {}),
]


def shown(arrays):
    return {name: (str(array.dtype), array.tolist()) for name, array in sorted(arrays.items())}


def outcome(kind, url, name, verb, args, named):
    with kind(url, name) as one:
        try:
            found = getattr(one, verb)(*args, **named)
            return shown(found) if isinstance(found, dict) else [shown(answer) for answer in found]
        except Exception as error:  # noqa: BLE001 - of either library
            return type(error).__name__


def main():
    config = triton.TritonConfig(http_port=HTTP, grpc_port=GRPC, metrics_port=METRICS, http_address="127.0.0.1",
                                 grpc_address="127.0.0.1")  # fmt: skip
    with triton.Triton(config=config) as running:
        for name, (function, inputs, outputs, options) in MODELS.items():
            running.bind(name, function, inputs, outputs, config=ModelConfig(**options), strict=name == "Strict")
        results = []
        for name, verb, args, named in ASKED:
            if name == "Countdown":
                results.append(
                    outcome(client.DecoupledModelClient, f"grpc://127.0.0.1:{GRPC}", name, verb, args, named)
                )
                continue
            urls = (f"http://127.0.0.1:{HTTP}", f"grpc://127.0.0.1:{GRPC}")
            results += [outcome(client.ModelClient, url, name, verb, args, named) for url in urls]
    told = json.dumps(results, default=lambda value: value.decode("latin-1"))
    sys.stdout.write(f"RESULTS {told}\n")


if __name__ == "__main__":
    main()
