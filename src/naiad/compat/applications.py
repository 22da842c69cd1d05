"""Serving a web application from its own file, as `waitress.serve` and `uvicorn.run` do; Flask's and FastAPI's alike.

The command line does the same: `naiad serve app.py:app`. Whichever is used, the application runs in worker processes
that import its file, so that what is to happen in the file's own program alone stands below
`if __name__ == "__main__":`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.user_code.application import ApplicationEntry, ApplicationSettings, workers_environment
from naiad.core.user_code.web_kinds import ASGI, WSGI, kind_of
from naiad.server import Server
from naiad.server.aio import Source

_IN_A_WORKER = "naiad.backends.application.worker.serving"
"""A module that is loaded in workers, and nowhere else."""


def serve(
    application: Any,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    workers: int = 1,
    threads: int = 64,
    models: Sequence[Source] = (),
    **options: Any,
) -> None:
    """Serve an application until SIGTERM or SIGINT; all running requests are answered first.

    application: a WSGI or ASGI application that stands under a name in a Python file, or "FILE.py:NAME". workers:
    processes. threads: requests that one has at the same time. models: to serve beside it, as `naiad.Server` takes
    them. options: those of `naiad serve`, by the names of their flags. Raises InvalidConfiguration, LoadFailed.
    """
    with _server(application, host, port, workers, threads, models, options) as server:
        server.serve()


@contextmanager
def running(
    application: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    workers: int = 1,
    threads: int = 64,
    models: Sequence[Source] = (),
    **options: Any,
) -> Iterator[str]:
    """Serve an application until the block ends, and give its URL; for tests and programs. Arguments: see `serve`."""
    with _server(application, host, port, workers, threads, models, options) as server:
        yield f"http://{server.http_address}"


def _server(
    application: Any,
    host: str,
    port: int,
    workers: int,
    threads: int,
    models: Sequence[Source],
    options: dict[str, Any],
) -> Server:
    if _IN_A_WORKER in sys.modules:
        raise InvalidConfiguration(
            'the application is served while its file is imported; serve it below `if __name__ == "__main__":`'
        )
    path, name = find_place(application)
    settings = ApplicationSettings(workers, threads, bool(options.pop("app_trust_proxy", False)))
    entry = ApplicationEntry(path, name, settings, workers_environment())
    return Server([entry, *models], http_port=port, host=(host,), **options)


def find_place(application: Any) -> tuple[Path, str]:
    """Return the file in which an application stands, and its name there. Raises InvalidConfiguration."""
    if isinstance(application, str):
        path, _, name = application.rpartition(":")
        if not path.endswith(".py") or not name.isidentifier():
            raise InvalidConfiguration(f"an application is named as FILE.py:NAME, not '{application}'")
        return Path(path).absolute(), name
    if kind_of(application) not in (WSGI, ASGI):
        raise InvalidConfiguration(
            f"an object of type {type(application).__name__} is neither a WSGI nor an ASGI application"
        )
    main = sys.modules.get("__main__")
    for module in (main, *list(sys.modules.values())):
        file = getattr(module, "__file__", None)
        if not file or not str(file).endswith(".py"):
            continue
        for name, value in list(vars(module).items()):
            if value is application:
                return Path(file).absolute(), name
    raise InvalidConfiguration(
        "the application stands under no name in a Python file, where its workers could find it; assign it at the top "
        "of a module, as in app = Flask(__name__)"
    )
