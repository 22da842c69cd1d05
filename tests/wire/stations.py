"""The stations of a traced request in the order in which it passes them."""

from __future__ import annotations


def stations(reading: str, sending: str) -> list[str]:
    """reading, sending: what the door calls these."""
    return [
        f"{reading}_START",
        f"{reading}_END",
        "REQUEST_START",
        "QUEUE_START",
        "COMPUTE_START",
        "COMPUTE_INPUT_END",
        "COMPUTE_OUTPUT_START",
        "COMPUTE_END",
        "INFER_RESPONSE_COMPLETE",
        "REQUEST_END",
        f"{sending}_START",
        f"{sending}_END",
    ]
