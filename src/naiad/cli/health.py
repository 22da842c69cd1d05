"""`naiad health`: whether a server is live or ready, as an exit status; for probes where there is no curl."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import click

from naiad.cli.container.probe import Probe, Unhealthy
from naiad.core.errors import InvalidConfiguration

_SCHEMES = ("http", "https", "grpc", "grpcs")
_EVERYWHERE = ("0.0.0.0", "::", "[::]")  # noqa: S104 - what to replace
_OFF = ("0", "f", "false", "n", "no", "off")
"""What click takes for false."""


@click.command("health")
@click.argument("address", default="", metavar="[ADDRESS]")
@click.option("--live/--ready", "live", default=False, help="Ask whether it is live, or ready (the default).")
@click.option("--timeout-s", default=2.0, show_default=True, help="Seconds to wait for the answer.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="Header to send, for a door that wants a key."
)
@click.option("--ca", type=click.Path(path_type=Path), help="Authorities that may have signed the certificate (PEM).")
@click.option("--insecure", is_flag=True, help="Take any certificate.")
def command(
    address: str, live: bool, timeout_s: float, headers: tuple[str, ...], ca: Path | None, insecure: bool
) -> None:
    """Ask a server whether it is ready, or live; the exit status is 0 if it is and 1 if it is not.

    ADDRESS is http://host:port or https://host:port, or grpc://host:port or grpcs://host:port. Without it, the server
    of this machine is asked, where NAIAD_HOST, NAIAD_HTTP_PORT and their kin say that it listens: over HTTP, or over
    gRPC if NAIAD_ALLOW_HTTP is false.
    """
    if not timeout_s > 0:
        raise InvalidConfiguration(f"--timeout-s must be more than 0, not {timeout_s:g}")
    where = _read(address or _own_address(), address)
    tls = _context(ca, insecure=insecure) if where.scheme in ("https", "grpcs") else None
    try:
        Probe(where, not live, timeout_s, _headers(headers), tls).ask()
    except Unhealthy as reason:
        click.echo(f"naiad: {where.geturl()}: {reason}", err=True)
        sys.exit(1)
    click.echo("live" if live else "ready")


def _own_address() -> str:
    """Where a server with this environment listens."""
    door, port, scheme = ("GRPC", "8001", "grpc") if _is_off("NAIAD_ALLOW_HTTP") else ("HTTP", "8000", "http")
    hosts = (os.environ.get(f"NAIAD_{door}_HOST") or os.environ.get("NAIAD_HOST") or "127.0.0.1").split()
    host = "127.0.0.1" if hosts[0] in _EVERYWHERE else hosts[0]
    scheme += "s" if os.environ.get(f"NAIAD_{door}_TLS_CERT") else ""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{os.environ.get(f'NAIAD_{door}_PORT') or port}"


def _is_off(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() in _OFF


def _read(text: str, given: str) -> SplitResult:
    whole = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(whole)
        is_right = parts.scheme in _SCHEMES and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        is_right = False
    if not is_right or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        origin = "" if given else ", which NAIAD_HOST, NAIAD_HTTP_PORT and their kin make,"
        raise InvalidConfiguration(
            f"'{text}'{origin} is not an address; give http://host:port or grpc://host:port (or https://, grpcs://)",
            address=text,
        )
    return parts


def _headers(texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not text.isascii() or not text.isprintable() or ":" in name:
            raise InvalidConfiguration(f"--header '{name}': write it as NAME=VALUE, in ASCII")
        found[name.strip()] = value
    return found


def _context(ca: Path | None, *, insecure: bool) -> ssl.SSLContext:
    if insecure and ca is not None:
        raise InvalidConfiguration("--ca and --insecure contradict each other; give one of them")
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise InvalidConfiguration(f"--ca {ca}: {error.strerror or 'it holds no certificate (PEM)'}") from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
