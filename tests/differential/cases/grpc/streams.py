"""ModelStreamInfer: errors in the stream, the final flag, and what `triton_grpc_error` changes."""

from __future__ import annotations

from typing import Any

from harness.case import Rpc, Step, Stream

from cases.grpc.inference import FULL, RAW, numbers, parameter, typed

GOOD = numbers(id="good")
SHORT = numbers(id="short", raw_input_contents=[RAW, RAW[:8]])
UNKNOWN = numbers(id="unknown", model_name="nope")
UNSUITED = numbers(id="unsuited", outputs=[{"name": "x"}])
NO_DATA = typed(None, None, id="none")
FINAL = parameter("triton_enable_empty_final_response", "bool_param", True)
ERROR_MODE = (("triton_grpc_error", "true"),)


def stream(*calls: Rpc, metadata: tuple[tuple[str, str], ...] = ()) -> Stream:
    return Stream(tuple(_fields(call) for call in calls), metadata)


def _fields(call: Rpc) -> dict[str, Any]:
    return dict(call.fields)  # type: ignore[arg-type]


CASES: dict[str, Step] = {
    "nothing": stream(),
    "one": stream(GOOD),
    "three": stream(GOOD, numbers(id="b"), numbers()),
    "typed": stream(typed(FULL, FULL, id="t")),
    "the empty final response": stream(FINAL, GOOD),
    "an error among others": stream(GOOD, SHORT, GOOD),
    "an unknown model": stream(UNKNOWN, GOOD),
    "an unknown version": stream(numbers(model_version="9"), GOOD),
    "an unsuited request": stream(UNSUITED, GOOD),
    "no data": stream(NO_DATA, GOOD),
    "an error with the empty final response": stream(
        Rpc("ModelInfer", {**dict(FINAL.fields), "raw_input_contents": [RAW]}), GOOD),  # type: ignore[arg-type]
    "classes": stream(numbers(outputs=[{"name": "OUTPUT0", "parameters": {"classification": {"int64_param": 2}}}])),
    "sequence": stream(parameter("sequence_id", "int64_param", 7), GOOD),
    "error mode, good": stream(GOOD, GOOD, metadata=ERROR_MODE),
    "error mode, an error": stream(GOOD, SHORT, GOOD, metadata=ERROR_MODE),
    "error mode, an unknown model": stream(UNKNOWN, GOOD, metadata=ERROR_MODE),
    "error mode, no data": stream(NO_DATA, GOOD, metadata=ERROR_MODE),
    "error mode false": stream(SHORT, GOOD, metadata=(("triton_grpc_error", "false"),)),
    "error mode 1": stream(SHORT, GOOD, metadata=(("triton_grpc_error", "1"),)),
    "error mode TRUE": stream(SHORT, GOOD, metadata=(("triton_grpc_error", "TRUE"),)),
}  # fmt: skip
