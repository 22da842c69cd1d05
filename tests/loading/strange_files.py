"""Changes every value in the JSON files of small checkpoints, and tells what comes of loading them in `report.json`.

A program of its own, because its memory is limited. Arguments: a folder to work in; with `all` behind it every value
is tried at every place, otherwise each place gets a few, another few the next place.
"""

from __future__ import annotations

import copy
import json
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from naiad.core.errors import NaiadError
from naiad.core.machine.child import limit_memory
from naiad.testing import tiny_checkpoint

VALUES: dict[str, Any] = {
    "nothing": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "a half": 0.5,
    "a billion": 10**9,
    "2^63": 2**63,
    "a number without end": 10**400,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "minus infinity": -float("inf"),
    "no text": "",
    "a text": "strange",
    "a long text": "x" * 100_000,
    "a zero in a text": "a\0b",
    "half a pair": "\ud800",
    "a way out": "../../../etc/passwd",
    "no list": [],
    "a list": [1, "a", None, [2]],
    "no object": {},
    "an object": {"a": {"b": [1]}, "0": 1},
    "deep": json.loads("[" * 200 + "]" * 200),
}

FEW = 6
"""How many of them each place gets."""

MEMORY_BYTES = 2**30
SECONDS = 30

MORE: dict[str, Any] = {
    "special_tokens_map.json": {"mask_token": "[MASK]", "cls_token": {"content": "[CLS]", "lstrip": False}},
    "added_tokens.json": {"[MASK]": 4},
    "config_sentence_transformers.json": {
        "prompts": {"query": "a "},
        "default_prompt_name": "query",
        "similarity_fn_name": "cosine",
    },
    "tokenizer_config.json": {
        "do_lower_case": True,
        "model_max_length": 64,
        "tokenizer_class": "BertTokenizer",
        "truncation_side": "right",
        "padding_side": "right",
        "clean_up_tokenization_spaces": True,
        "model_input_names": ["input_ids"],
        "unk_token": "[UNK]",
        "added_tokens_decoder": {"0": {"content": "[PAD]", "special": True}},
        "extra_special_tokens": ["[SEP]"],
    },
}
"""What a checkpoint may have besides, for the files that the small one does without."""

ADDED = {
    "config.json": {
        "num_labels": 2,
        "problem_type": "single_label_classification",
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "rope_scaling": None,
        "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "5.0.0"},
    }
}
"""Keys that change nothing, for whoever reads them."""


def main() -> None:
    """Try everything; write down what ended in anything but an answer or an error of ours."""
    warnings.simplefilter("ignore")
    work, is_all = Path(sys.argv[1]), "all" in sys.argv[2:]
    prepare()
    limit_memory(MEMORY_BYTES)
    signal.signal(signal.SIGALRM, _too_long)
    tried, faults = 0, []
    few = cycle(VALUES.items())
    for head in ("embedding", "sequence-classification"):
        folder = make(work / head, head)
        assert attempt(folder, head) == "", "as it is, it can be served"
        for path in sorted(folder.rglob("*.json")):
            whole = path.read_bytes()
            for where in places(json.loads(whole)):
                for name, value in VALUES.items() if is_all else islice(few, FEW):
                    path.write_text(json.dumps(changed(json.loads(whole), where, value)))
                    signal.alarm(SECONDS)
                    outcome = attempt(folder, head)
                    signal.alarm(0)
                    tried += 1
                    if outcome:
                        faults.append(f"{head}, {path.name}, {where}, {name}: {outcome}")
            path.write_bytes(whole)
    (work / "report.json").write_text(json.dumps({"tried": tried, "faults": faults}))


def prepare() -> None:
    """Import what loading imports, before memory is limited; tokenizers are tried here, not in further processes."""
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import tokenizers  # noqa: F401

    from naiad.tasks.tokenizing import loading

    loading.begin_trial = lambda *_, **__: _Done()  # type: ignore[assignment]


class _Done:
    def result(self) -> None:
        """It is tried in what follows."""


def make(folder: Path, head: str) -> Path:
    """A small checkpoint with more files than it needs."""
    tiny_checkpoint(folder, head=head)
    for name, content in MORE.items():
        if name != "config_sentence_transformers.json" or head == "embedding":
            (folder / name).write_text(json.dumps(content))
    for name, more in ADDED.items():
        content = json.loads((folder / name).read_text()) | more
        if head == "embedding":
            content.pop("sentence_transformers")
        (folder / name).write_text(json.dumps(content))
    return folder


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values stand in a document, itself first."""
    yield above
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*above, key))


def changed(document: Any, where: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place."""
    if not where:
        return copy.deepcopy(value)
    inner = document
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    return document


def attempt(folder: Path, head: str) -> str:
    """Do what loading does, but for the runtime; gives what is wrong with the outcome, if anything."""
    from naiad.convert.checkpoint import convert_checkpoint
    from naiad.core.message import InferRequest
    from naiad.core.tensor import bytes_tensor
    from naiad.repository import recognise
    from naiad.tasks.choice import build_task, build_tensors, facts_of, head_for, infer_task

    shutil.rmtree(folder / ".naiad", ignore_errors=True)
    try:
        recognise(folder)
        task = infer_task(folder)
        converted = convert_checkpoint(folder, head=head_for(task, folder))
        built = build_task(task, folder, converted.spec)
        build_tensors(folder, converted.spec)
        facts_of(task, folder)
        built.prepare(InferRequest("m", inputs={"text": bytes_tensor("text", [b"hello world"])}))
    except NaiadError as error:
        return "" if error.message else "an error without words"
    except Exception as error:  # noqa: BLE001 — the faults that are looked for
        return f"{type(error).__name__}: {str(error)[:200]} ({_place(error)})"
    return ""


def _place(error: Exception) -> str:
    trace, last = error.__traceback__, ""
    while trace is not None:
        last = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return last


def _too_long(*_: object) -> None:
    raise TimeoutError(f"took more than {SECONDS} s")


if __name__ == "__main__":
    main()
