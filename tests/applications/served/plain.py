"""WSGI and ASGI applications without any framework, and odd ones."""

import sys

import naiad


def wsgi(environ, start_response):
    """Echoes what it was asked, and writes the old way where it is asked to."""
    path = environ["PATH_INFO"]
    if path == "/write":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        return [b"returned"]
    if path == "/short":
        start_response("200 OK", [("Content-Length", "100")])
        return [b"less"]
    if path == "/long":
        start_response("200 OK", [("Content-Length", "2")])
        return iter([b"more", b"than said"])
    if path == "/split":
        start_response("200 OK", [("X-Bad", "a\r\nX-Injected: b")])
        return [b"x"]
    if path == "/again":
        try:
            start_response("200 OK", [])
            raise RuntimeError("too late")  # noqa: TRY301
        except RuntimeError:
            start_response("503 Sorry", [("X-Again", "yes")], sys.exc_info())
        return [b"sorry"]
    if path == "/silent":
        return [b"no head"]
    if path == "/exit":
        sys.exit(4)
    body = repr(sorted((key, value) for key, value in environ.items() if isinstance(value, str))).encode()
    start_response(
        "200 OK", [("Content-Type", "text/plain"), ("Connection", "close"), ("X-Path", path.encode("latin-1").hex())]
    )
    return [body]


async def asgi(scope, receive, send):
    """Knows HTTP alone."""
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    if scope["path"] == "/silent":
        return
    if scope["path"] == "/early":
        await send({"type": "http.response.body", "body": b"no head"})
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-raw", scope["raw_path"])]})
    await send({"type": "http.response.body", "body": body or scope["path"].encode()})


async def refuses(scope, receive, send):
    """Its startup fails."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "there is no database"})


def make():
    """A factory."""
    return wsgi


@naiad.batched
def broken(values):
    """Gives too few rows."""
    return values[:-1]


nothing = 7
