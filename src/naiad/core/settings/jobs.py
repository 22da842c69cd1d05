"""Options of jobs: requests that are taken now, run later, and whose results are fetched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.options import Settings, option

_job = partial(option, group="Jobs")


@dataclass(frozen=True, slots=True)
class JobSettings(Settings):
    """Where jobs are kept, how many, how long, and whom the server may tell of them."""

    place: str = _job(
        "jobs",
        "",
        "Take jobs, and keep them in this folder (SQLite, for one server) or in Redis, shared by several servers: "
        "redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// with TLS.",
        is_secret=True,
    )
    max_count: int = _job(
        "jobs_max_count",
        100_000,
        "Maximum number of jobs that are kept, over or not; further ones are refused.",
        least=1,
    )
    max_size: int = _job(
        "jobs_max_size", 2**30, "Maximum size in bytes of the requests and results of all jobs together.", least=1
    )
    max_wait_s: float = _job(
        "jobs_max_wait_s", 86_400.0, "Seconds that a job may wait to be run; after that it has failed.", least=0.001
    )
    result_ttl_s: float = _job(
        "jobs_result_ttl_s", 86_400.0, "Seconds that a job is kept after its end, with its result.", least=0.001
    )
    at_once: int = _job(
        "jobs_at_once", 16, "Maximum number of jobs of one model that a server runs at a time.", least=1
    )
    attempts: int = _job(
        "jobs_attempts", 3, "Maximum number of times that a job is run, if servers end while it runs.", least=1
    )
    lease_s: float = _job(
        "jobs_lease_s",
        30.0,
        "Seconds after which another server takes over the jobs of one that no longer tells Redis that it runs them.",
        least=0.1,
    )
    listing: bool = _job(
        "jobs_listing", False, "Let clients list the jobs of all clients, with their IDs, which give access to results."
    )
    callback_hosts: tuple[str, ...] = _job(
        "jobs_callback_host",
        (),
        "Host that may be told of the end of jobs: NAME[:PORT], *.DOMAIN[:PORT]; an address or a network (10.0.0.0/8) "
        "that is not public must be named, too. If none is given, callbacks are refused.",
    )
    callback_key: str = _job(
        "jobs_callback_key", "", "Sign callbacks with this key (HMAC-SHA256, header Naiad-Signature).", is_secret=True
    )

    def __post_init__(self) -> None:
        Settings.__post_init__(self)
        if not self.place and (self.callback_hosts or self.callback_key or self.listing):
            given = "jobs_callback_host" if self.callback_hosts else "jobs_callback_key" if self.callback_key else ""
            flag = "--" + (given or "jobs_listing").replace("_", "-")
            raise InvalidConfiguration(f"{flag} needs --jobs: say where jobs are kept")
