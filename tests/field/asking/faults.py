"""Everything that is asked of a served model, and where its answers differ from those expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from asking.comparison import TOLERANCE, difference
from asking.doors import Door, ask_client, ask_grpc, ask_json
from asking.texts import EMPTY, MIXED_LENGTHS, ODD, PLAIN, long_text

if TYPE_CHECKING:
    from naiad.testing import RunningServer

LONGEST_COMPARED = 720
"""Words of the long text at most: models that take more are compared with a text that is not cut."""


def answer_faults(server: RunningServer, theirs: Any, longest: int, tolerance: float = TOLERANCE) -> Iterator[str]:
    """What the task answers otherwise: alone, two and more in a request, at the same time, by every door.

    longest: tokens of the longest text that is not cut.
    """
    long = long_text(min(longest + longest // 3, LONGEST_COMPARED))
    expected = {text: theirs.expected(text) for text in (*PLAIN, *ODD, *EMPTY, *MIXED_LENGTHS, long)}

    def check(way: str, door: Door, texts: Sequence[str]) -> Iterator[str]:
        return _faults(partial(door, server, "m"), theirs, expected, tolerance, way, texts)

    for text in (*PLAIN, *ODD, *EMPTY, long):
        yield from check("alone", ask_json, [text])
    yield from check("two texts", ask_json, [PLAIN[1], ODD[2]])
    yield from check("our client", ask_client, [*PLAIN, *ODD, long])
    yield from check("gRPC", ask_grpc, [ODD[0], PLAIN[2], PLAIN[3]])
    with ThreadPoolExecutor(len(MIXED_LENGTHS)) as threads:
        for faults in threads.map(lambda text: list(check("in company", ask_json, [text])), (*MIXED_LENGTHS, long)):
            yield from faults


def _faults(
    door: Any, theirs: Any, expected: dict[str, Any], tolerance: float, way: str, texts: Sequence[str]
) -> Iterator[str]:
    def ask(inputs: Any, **parameters: Any) -> Any:
        return door(inputs, parameters)

    try:
        answers = theirs.ask(ask, texts)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is one of the faults that are listed
        yield f"  {way}: {texts!r:.80}: {type(error).__name__}: {error}"
        return
    for text, answer in zip(texts, answers, strict=True):
        if words := difference(expected[text], answer, tolerance):
            yield f"  {way}: {text!r:.80}: {words}"


def tensor_faults(server: RunningServer, theirs: Any) -> Iterator[str]:
    """Where the raw-tensor view differs from the model's own outputs, for texts that are padded."""
    import torch

    batch = theirs.tokenizer(list(PLAIN), padding=True, return_tensors="pt")
    with torch.no_grad():
        output = theirs.torch_model(**batch)
    given = {name: array.numpy() for name, array in batch.items()}
    try:
        outputs = ask_client(server, "m.tensors", given, {})
    except Exception as error:  # noqa: BLE001 - as above
        yield f"  tensors: {type(error).__name__}: {error}"
        return
    mask = batch["attention_mask"].numpy().astype(bool)
    for name in ("logits", "last_hidden_state", "start_logits", "end_logits"):
        if name in outputs:
            wanted, got = output[name].numpy(), outputs[name]
            if wanted.shape[:2] == mask.shape:
                wanted, got = wanted[mask], got[mask]
            if words := difference(wanted, np.asarray(got)):
                yield f"  tensors: {name}{words}"
