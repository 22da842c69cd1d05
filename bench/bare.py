"""What tokenizers and ONNX Runtime do in one process on the same texts, without any server: the yardsticks.

Runs as a process of its own and prints one line of JSON. `throughput` embeds all texts again and again under every
policy below, tokenising included; `latency` embeds one text after another. Texts come in the order in which servers are
asked for them. Policies named "offline" see all texts before they begin, which no server can.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import numpy as np

from texts import make_texts

sys.path.append(str(Path(__file__).with_name("apps")))
from encoder import MAX_TOKENS, Encoder

PACK_TOKENS = (64, 128, 256, 512)
CORES = 2
"""Threads under test; the table is made for two cores."""


@dataclass(frozen=True)
class Policy:
    """One way through all the texts."""

    name: str
    run: Callable[[list[str]], np.ndarray]
    """Texts in, (texts, 384) out, in the same order."""


def padded_policies(graph: str, tokenizer: str) -> Iterator[Policy]:
    """The policies on a padded graph."""
    wide, narrow = (Encoder(graph, tokenizer, threads) for threads in (CORES, 1))
    for name, encoder, workers in (
        ("one session, two threads", wide, 1),
        ("two sessions, one thread each", narrow, CORES),
    ):
        yield Policy(f"one by one, {name}", lambda texts, e=encoder, w=workers: in_arrival_order(e, texts, 1, w))
        yield Policy(
            f"arrival order, 32 padded, {name}", lambda texts, e=encoder, w=workers: in_arrival_order(e, texts, 32, w)
        )
    for size in (4, 8, 16):
        yield Policy(f"offline, sorted, {size} padded", lambda texts, s=size: sorted_by_length(narrow, texts, s))


def in_arrival_order(encoder: Encoder, texts: list[str], size: int, workers: int) -> np.ndarray:
    """Batches of `size` as they come, each tokenised by the thread that runs it."""
    rows = np.empty((len(texts), 384), np.float32)

    def run(part: slice) -> None:
        rows[part] = encoder.encode(texts[part])

    in_threads(run, [slice(i, i + size) for i in range(0, len(texts), size)], workers)
    return rows


def sorted_by_length(encoder: Encoder, texts: list[str], size: int) -> np.ndarray:
    """All are tokenised at once, then run in batches of `size` of about equal length, the longest first."""
    encoder.tokenizer.no_padding()
    ids = [encoding.ids for encoding in encoder.tokenizer.encode_batch(texts)]
    encoder.tokenizer.enable_padding()
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    rows = np.empty((len(texts), 384), np.float32)

    def run(chosen: list[int]) -> None:
        shape = (len(chosen), len(ids[chosen[0]]))
        padded, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, i in enumerate(chosen):
            padded[row, : len(ids[i])] = ids[i]
            mask[row, : len(ids[i])] = 1
        feeds = {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
        rows[chosen] = encoder.session.run(["embedding"], feeds)[0]

    in_threads(run, [order[i : i + size] for i in range(0, len(order), size)], CORES)
    return rows


def packed_policies(checkpoint: Path, job: str, tokenizer: str) -> Iterator[Policy]:
    """The policies on Naiad's own graph, which takes texts without padding; scheduler and server are not used."""
    from naiad.convert.checkpoint import convert_checkpoint
    from naiad.convert.opening import open_encoder

    converted = convert_checkpoint(checkpoint, quantize="int8" if job == "int8" else "none")
    encoder = open_encoder(converted.graph, converted.spec, threads=1)
    from tokenizers import Tokenizer

    reader = Tokenizer.from_file(tokenizer)
    reader.no_padding()
    reader.enable_truncation(MAX_TOKENS)
    for tokens in PACK_TOKENS:
        yield Policy(f"offline, packed to {tokens} tokens", lambda texts, t=tokens: packed(encoder, reader, texts, t))


def packed(encoder: object, reader: object, texts: list[str], tokens: int) -> np.ndarray:
    """All are tokenised at once, then run in packs of about `tokens` tokens, the longest texts first."""
    from naiad.core.contracts import Batch
    from naiad.core.encoding.encoder import TextTokens

    sequences = [TextTokens(np.array(e.ids, np.int64), ("embedding",)) for e in reader.encode_batch(texts)]
    order = sorted(range(len(texts)), key=lambda i: -sequences[i].tokens)
    rows = np.empty((len(texts), 384), np.float32)

    def run(chosen: list[int]) -> None:
        for i, result in zip(chosen, encoder.execute(Batch([sequences[i] for i in chosen])), strict=True):
            rows[i] = result["embedding"]

    in_threads(run, packs(order, [sequence.tokens for sequence in sequences], tokens), CORES)
    return rows


def packs(order: list[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Cut an order into runs whose lengths add up to at most `tokens`, or that hold one text."""
    found: list[list[int]] = [[]]
    filled = 0
    for i in order:
        if found[-1] and filled + lengths[i] > tokens:
            found.append([])
            filled = 0
        found[-1].append(i)
        filled += lengths[i]
    return found


def in_threads(run: Callable[..., None], work: Sequence[object], workers: int) -> None:
    """Have `workers` threads take the pieces of work in order until none is left."""
    waiting = deque(work)

    def loop() -> None:
        while True:
            try:
                piece = waiting.popleft()
            except IndexError:
                return
            run(piece)

    threads = [Thread(target=loop) for _ in range(workers - 1)]
    for thread in threads:
        thread.start()
    loop()
    for thread in threads:
        thread.join()


LEAST_COSINE = 0.95
"""Between two policies' answers to one text. The usual int8 graph and Naiad's own are each about 0.98 from fp32; on
processors without VNNI the usual one saturates now and then, and the two are 0.965 apart."""


def throughput(policies: list[Policy], texts: list[str], seconds: float) -> dict[str, float]:
    """Texts per second of each policy, after a pass to warm up: one pass or as many as fit in `seconds`.

    Raises RuntimeError when a policy's answers differ from the first one's.
    """
    expected = None
    rates = {}
    for policy in policies:
        rows = policy.run(texts)
        expected = rows if expected is None else expected
        nearest = float((rows * expected).sum(axis=1).min())
        if nearest < LEAST_COSINE:
            raise RuntimeError(f"{policy.name}: a cosine of {nearest:.3f} to {policies[0].name}")
        begun, passes = time.perf_counter(), 0
        while passes < 1 or time.perf_counter() - begun < seconds:
            policy.run(texts)
            passes += 1
        rates[policy.name] = passes * len(texts) / (time.perf_counter() - begun)
    return rates


def latency(graph: str, tokenizer: str, texts: list[str]) -> dict[str, dict[str, float]]:
    """Milliseconds from a text to its embedding, one text after another, by kind of session."""
    import onnxruntime

    found = {}
    for name, threads in (("one thread", 1), ("two threads", CORES), ("default options", 0)):
        encoder = Encoder(graph, tokenizer, threads)
        if threads == 0:  # all cores, and threads that spin while they wait
            encoder.session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        taken = []
        for text in texts[:64] + texts:
            begun = time.perf_counter()
            encoder.encode([text])
            taken.append((time.perf_counter() - begun) * 1000)
        taken = taken[64:]
        found[name] = {"mean_ms": float(np.mean(taken)), "p50_ms": float(np.median(taken))}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("throughput", "latency", "embeddings"))
    parser.add_argument("job", choices=("fp32", "int8"))
    parser.add_argument("--graph", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    tokenizer = str(options.checkpoint / "tokenizer.json")
    texts = make_texts()
    if options.kind == "latency":
        print(json.dumps(latency(options.graph, tokenizer, texts)))
        return
    if options.kind == "embeddings":
        print(json.dumps(Encoder(options.graph, tokenizer, 1).encode(texts[:16]).tolist()))
        return
    policies = [*padded_policies(options.graph, tokenizer)]
    policies += packed_policies(options.checkpoint, options.job, tokenizer)
    print(json.dumps(throughput(policies, texts, options.seconds)))


if __name__ == "__main__":
    main()
