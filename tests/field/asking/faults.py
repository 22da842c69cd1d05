"""Everything that is asked of a served model, and where its answers differ from those expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from asking.comparison import TOLERANCE, difference, logit_difference
from asking.doors import Door, ask_client, ask_grpc, ask_json
from asking.pictures import pictures
from asking.texts import EMPTY, MIXED_LENGTHS, ODD, PLAIN, long_text

if TYPE_CHECKING:
    from naiad.testing import RunningServer

LONGEST_COMPARED = 720
"""Words of the long text at most: models that take more are compared with a text that is not cut."""


@dataclass(frozen=True)
class Questions:
    """What is asked: texts, or pictures."""

    alone: tuple[Any, ...]
    pair: tuple[Any, ...]
    several: tuple[Any, ...]
    few: tuple[Any, ...]
    """By gRPC."""
    together: tuple[Any, ...]
    """In requests of their own, at the same time."""

    @classmethod
    def texts(cls, longest: int) -> Questions:
        """longest: tokens of the longest text that is not cut."""
        long = long_text(min(longest + longest // 3, LONGEST_COMPARED))
        return cls(
            alone=(*PLAIN, *ODD, *EMPTY, long),
            pair=(PLAIN[1], ODD[2]),
            several=(*PLAIN, *ODD, long),
            few=(ODD[0], PLAIN[2], PLAIN[3]),
            together=(*MIXED_LENGTHS, long),
        )

    @classmethod
    def images(cls) -> Questions:
        """Every picture in every way."""
        every = pictures()
        return cls(alone=every, pair=every[:2], several=every, few=every[1:4], together=every)


def answer_faults(
    server: RunningServer, theirs: Any, questions: Questions, tolerance: float = TOLERANCE
) -> Iterator[str]:
    """What the task answers otherwise: alone, two and more in a request, at the same time, by every door."""
    expected = {one: theirs.expected(one) for one in {*questions.alone, *questions.together}}

    def check(way: str, door: Door, items: Sequence[Any]) -> Iterator[str]:
        return _faults(partial(door, server, "m"), theirs, expected, tolerance, way, items)

    for item in questions.alone:
        yield from check("alone", ask_json, [item])
    yield from check("two in a request", ask_json, questions.pair)
    yield from check("our client", ask_client, questions.several)
    yield from check("gRPC", ask_grpc, questions.few)
    with ThreadPoolExecutor(len(questions.together)) as threads:
        for faults in threads.map(lambda item: list(check("in company", ask_json, [item])), questions.together):
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
    """Where the raw-tensor view of padded texts differs from the model's own outputs for each text by itself."""
    batch = theirs.tokenizer(list(PLAIN), padding=True, return_tensors="pt")
    try:
        outputs = ask_client(server, "m.tensors", {name: array.numpy() for name, array in batch.items()}, {})
    except Exception as error:  # noqa: BLE001 - as above
        yield f"  tensors: {type(error).__name__}: {error}"
        return
    mask = batch["attention_mask"].bool()
    for at, here in enumerate(mask):
        output = theirs.torch_model(**{name: array[at : at + 1, here] for name, array in batch.items()})
        for name in ("logits", "last_hidden_state", "start_logits", "end_logits"):
            if name in outputs:
                wanted, got = output[name][0].detach().numpy(), np.asarray(outputs[name][at])
                if got.shape[:1] == here.shape:
                    got = got[here.numpy()]
                if words := logit_difference(wanted, got):
                    yield f"  tensors: {name} of text {at}{words}"
