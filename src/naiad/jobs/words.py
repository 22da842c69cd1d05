"""Why a job is refused or has failed, the same wherever it is kept: (HTTP status, sentence, code)."""

from __future__ import annotations

from naiad.jobs.store import Bounds

KEY_TAKEN = "this Idempotency-Key has been used for another request; use a new key for a new request"

CANCELLED = (400, "the job was cancelled", "cancelled")


def no_room(bounds: Bounds, count: int) -> str:
    """Say which bound is reached."""
    if count >= bounds.max_count:
        return f"there are {count} jobs, as many as are kept; try again later. --jobs-max-count allows more."
    return (
        f"the requests and results of all jobs would take more than {bounds.max_size} bytes; try again later. "
        "--jobs-max-size allows more."
    )


def result_too_large(length: int, bounds: Bounds) -> tuple[int, str, str]:
    """Of a result that is beyond the bound."""
    text = (
        f"there is no room for the result of {length} bytes: requests and results of all jobs may take "
        f"{bounds.max_size} bytes. --jobs-max-size allows more."
    )
    return 503, text, "overloaded"


def waited_too_long(bounds: Bounds) -> tuple[int, str, str]:
    """Of a job that nobody has run."""
    text = (
        f"no server could run the job within {bounds.max_wait_s:g} s, because its model was not ready or others came "
        "before it. --jobs-max-wait-s allows more."
    )
    return 503, text, "deadline-exceeded"


def lost(bounds: Bounds) -> tuple[int, str, str]:
    """Of a job that seems to end its servers."""
    times = "once" if bounds.attempts == 1 else f"{bounds.attempts} times"
    return (
        500,
        f"the server ended {times} while it ran this job, which is not run again. --jobs-attempts allows more.",
        "failed",
    )
