"""`app.py:server` or `app.py:app`: a Python file with a server, or a web application, that `naiad serve` serves."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings
from naiad.core.user_code.application import ApplicationEntry, workers_environment
from naiad.core.user_code.python_file import import_file
from naiad.core.user_code.web_kinds import ASGI, WSGI, kind_of
from naiad.server.aio import AsyncServer, only_described

_OF_SERVERS = re.compile(r"\b(?:Async)?Server\b|\bTriton\b")
_OF_APPLICATIONS = re.compile(
    r"\b(?:flask|fastapi|starlette|quart|django|falcon|bottle|litestar|wsgi|asgi|environ)\b", re.IGNORECASE
)
"""Words of files that need not be run here to know what they hold; all others are."""

_PROGRAM = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_]\w*)")


def split_sources(sources: tuple[str, ...]) -> tuple[Path | None, str, tuple[str, ...]]:
    """Tell a program, and the name of its server, from the other sources; None: there is none.

    Raises InvalidConfiguration for two of them, or for a file without a name.
    """
    found = [match for source in sources if (match := _PROGRAM.fullmatch(source))]
    if len(found) > 1:
        raise InvalidConfiguration(f"only one program can be served at a time, not {len(found)}")
    if bare := [source for source in sources if source.endswith(".py") and Path(source).is_file()]:
        raise InvalidConfiguration(f"{bare[0]}: name the server in it, as in {bare[0]}:server")
    rest = tuple(source for source in sources if not _PROGRAM.fullmatch(source))
    return (Path(found[0]["path"]), found[0]["name"], rest) if found else (None, "", rest)


def load_program(path: Path, name: str) -> AsyncServer | None:
    """Run the file, and give its server, which has not been started; None: it has a web application of that name.

    A function of that name is called, and gives the server. The file's folder comes first on the path of imports. An
    application is the business of its workers, and a file that speaks of one and of no server is left to them unread.
    Raises InvalidConfiguration.
    """
    if not path.is_file():
        raise InvalidConfiguration(f"there is no file {path}")
    text = path.read_text(encoding="utf-8", errors="replace")
    if _OF_APPLICATIONS.search(text) and not _OF_SERVERS.search(text):
        return None
    module = _guarded(path, partial(import_file, path))
    found: Any = vars(module).get(name)
    if kind_of(found) in (WSGI, ASGI):
        return None
    if found is None:
        servers = [key for key, value in vars(module).items() if not key.startswith("_") and kind_of(value)]
        hint = f"; it has {', '.join(servers)}" if servers else ", and no server under any other name"
        raise InvalidConfiguration(f"{path} has no '{name}'{hint}")
    if _server(found) is None and callable(found):
        found = _guarded(path, found)
    server = _server(found)
    if server is None and kind_of(found):
        return None
    if server is None:
        raise InvalidConfiguration(
            f"{path}: '{name}' is of type {type(found).__name__}; it must be a naiad.Server, a WSGI or an ASGI "
            "application, such as Flask's or FastAPI's, or a function giving one"
        )
    return server


def application_entry(path: Path, name: str, settings: ServerSettings) -> ApplicationEntry:
    """Say which application is to be served."""
    return ApplicationEntry(path, name, settings.application, workers_environment())


def _server(value: Any) -> AsyncServer | None:
    """The server that a value is or stands for."""
    if isinstance(value, type):
        return None
    below = value if isinstance(value, AsyncServer) else getattr(value, "asynchronous", None)
    return below if isinstance(below, AsyncServer) else None


def _guarded(path: Path, call: Callable[[], Any]) -> Any:
    """Call what is in the file; what it raises is the user's own, who is shown where."""
    token = only_described.set(True)
    try:
        return call()
    except InvalidConfiguration as error:
        raise InvalidConfiguration(f"{path}: {error.message}") from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        click.echo("".join(traceback.format_exception(error)).rstrip(), err=True)
        raise InvalidConfiguration(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    finally:
        only_described.reset(token)
