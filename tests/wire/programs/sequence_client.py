"""A program for sequences as people write them with Triton's client: three sequences, side by side or one by one.

    sequence_client.py -u localhost:8000 -i http|grpc [--stream] [--aio] [--dyna]

Prints a line for each step and ends with 1 where a sum is not what it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
import sys

import numpy as np

VALUES = [11, 7, 5, 3, 2, 0, 1]


def main() -> None:
    options = read_options()
    if options.protocol == "http":
        import tritonclient.http as client_module
        import tritonclient.http.aio as aio_module
    else:
        import tritonclient.grpc as client_module
        import tritonclient.grpc.aio as aio_module
    kind = "simple_dyna_sequence" if options.dyna else "simple_sequence"
    text_kind = "simple_string_dyna_sequence" if options.dyna else kind
    sequences = {1000: (kind, [0, *VALUES]), 1001: (kind, [100, *[-one for one in VALUES]]),
                 "1002": (text_kind, [20, *[-one for one in VALUES]])}  # fmt: skip
    if options.aio:
        found = asyncio.run(awaited(aio_module, options, sequences))
    else:
        found = (
            streamed(client_module, options, sequences) if options.stream else sync(client_module, options, sequences)
        )
    for row in range(len(VALUES) + 1):
        print(f"[{row}] " + " : ".join(str(results[row]) for results in found.values()))
    wrong = [name for name, results in found.items() if results != expected(name, sequences[name][1], options.dyna)]
    if wrong:
        sys.exit(f"sequences {wrong} are wrong")
    print("PASS: Sequence")


def expected(name: int | str, values: list[int], is_dyna: bool) -> list[int]:
    """The plain model gives a value back, the first one and 1; the dynamic ones add the id at the end, or sum up."""
    if not is_dyna:
        return [values[0] + 1, *values[1:]]
    if isinstance(name, int):
        return [values[0] + 1, *values[1:-1], values[-1] + name]
    sums = np.cumsum(values).tolist()
    return [*sums[:-1], sums[-1] + int(name)]


def step(module, name, model, values, number):
    data = np.full([1, 1], values[number], np.int32)
    tensor = module.InferInput("INPUT", data.shape, "INT32")
    tensor.set_data_from_numpy(data)
    return {"model_name": model, "inputs": [tensor], "outputs": [module.InferRequestedOutput("OUTPUT")],
            "request_id": f"{name}_{number}", "sequence_id": name, "sequence_start": number == 0,
            "sequence_end": number == len(values) - 1}  # fmt: skip


def sync(module, options, sequences):
    found = {}
    with module.InferenceServerClient(options.url) as client:
        for name, (model, values) in sequences.items():
            asked = [client.infer(**step(module, name, model, values, number)) for number in range(len(values))]
            found[name] = [int(one.as_numpy("OUTPUT")[0][0]) for one in asked]
    return found


def streamed(module, options, sequences):
    answers = queue.Queue()
    found = {name: [] for name in sequences}
    names = {str(name): name for name in sequences}
    with module.InferenceServerClient(options.url) as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        for name, (model, values) in sequences.items():
            for number in range(len(values)):
                client.async_stream_infer(**step(module, name, model, values, number))
        for _ in range(sum(len(values) for _, values in sequences.values())):
            result, error = answers.get(timeout=30)
            if error is not None:
                sys.exit(str(error))
            found[names[result.get_response().id.partition("_")[0]]].append(int(result.as_numpy("OUTPUT")[0][0]))
        client.stop_stream()
    return found


async def awaited(module, options, sequences):
    async with module.InferenceServerClient(options.url) as client:
        if not options.stream:

            async def one(name, model, values):
                asked = [await client.infer(**step(module, name, model, values, at)) for at in range(len(values))]
                return [int(one.as_numpy("OUTPUT")[0][0]) for one in asked]

            results = await asyncio.gather(*[one(name, *rest) for name, rest in sequences.items()])
            return dict(zip(sequences, results, strict=True))

        async def requests():
            for name, (model, values) in sequences.items():
                for number in range(len(values)):
                    yield step(module, name, model, values, number)

        found = {name: [] for name in sequences}
        names = {str(name): name for name in sequences}
        async for result, error in client.stream_infer(inputs_iterator=requests(), stream_timeout=30):
            if error is not None:
                sys.exit(str(error))
            found[names[result.get_response().id.partition("_")[0]]].append(int(result.as_numpy("OUTPUT")[0][0]))
            if sum(map(len, found.values())) == sum(len(values) for _, values in sequences.values()):
                break
        return found


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-u", "--url", required=True)
    parser.add_argument("-i", "--protocol", choices=("http", "grpc"), default="grpc")
    for name in ("stream", "aio", "dyna"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
