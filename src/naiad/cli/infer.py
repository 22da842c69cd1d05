"""`naiad infer`: one request to a running server, for people who try a model out. Programs use `naiad.Client`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from naiad.core.errors import InvalidRequest, NaiadError, NotFound
from naiad.core.nearest import did_you_mean

if TYPE_CHECKING:
    from naiad.client import Client, ModelMetadata, Result

SHOWN_VALUES = 6
"""Numbers of an array that are printed; --json prints them all."""

NAMED_MODELS = 12
"""Models that are named to somebody who asked for one that there is not."""


@click.command("infer")
@click.argument("model")
@click.option("--text", "texts", multiple=True, help="Text for the first text input. Can be repeated.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="Value for an input: JSON or plain text.")
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="NAME=PATH",
    help="File whose bytes are an input's value. Can be repeated.",
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Request parameter, such as an option of the model's task.",
)
@click.option("--url", default="localhost:8000", show_default=True, help="Address of the server.")
@click.option("--model-version", default="", help="Version of the model.  [default: the server's choice]")
@click.option("--timeout-s", default=60.0, show_default=True, help="Seconds to wait for an answer.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as one line of JSON.")
def command(
    model: str, url: str, model_version: str, timeout_s: float, as_json: bool, **given: tuple[str, ...]
) -> None:
    """Send one request to a model and print its answer.

    naiad infer all-MiniLM-L6-v2 --text "hello world"

    naiad infer vit-base-patch16-224 --file image=cat.jpg
    """
    from naiad.client import Client

    named = {**_pairs("--input", given["inputs"]), **_files(given["files"])}
    parameters = {name: _scalar(value) for name, value in _pairs("--parameter", given["parameters"]).items()}
    with Client(url, timeout_s=timeout_s) as client:
        asked = client.model(model, model_version)
        try:
            metadata = asked.metadata()
        except NotFound as error:
            raise NotFound(f"{error.message}{_others(client, model)}") from error
        inputs = _bind(metadata, given["texts"], named)
        result = asked.infer(inputs, parameters=parameters)
    if as_json:
        click.echo(_json(result))
    elif set(result) == {"score", "index"} and "documents" in inputs:
        _show_ranking(result, inputs["documents"])
    else:
        _show(result)


def _others(client: Client, model: str) -> str:
    """What else to ask for, as the end of a sentence; empty where the server does not say, or has that model."""
    names: list[str] = []
    with suppress(NaiadError):
        names = sorted({entry.name for entry in client.index()})
    if not names or model in names:
        return ""
    more = ", …" if len(names) > NAMED_MODELS else ""
    return did_you_mean(model, names, f"; the server has {', '.join(names[:NAMED_MODELS])}{more}")


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, Any]:
    """Split NAME=VALUE; a value that is not JSON is text."""
    import orjson

    pairs: dict[str, Any] = {}
    for pair in given:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"'{pair}' is not NAME=VALUE", param_hint=option)
        try:
            pairs[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            pairs[name] = value
    return pairs


def _files(given: tuple[str, ...]) -> dict[str, Any]:
    """Read the files of NAME=PATH; a name that is given several times has a list of bytes."""
    contents: dict[str, list[bytes]] = {}
    for pair in given:
        name, separator, path = pair.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"'{pair}' is not NAME=PATH", param_hint="--file")
        try:
            contents.setdefault(name, []).append(Path(path).read_bytes())
        except OSError as error:
            raise click.BadParameter(f"cannot read {path}: {error.strerror}", param_hint="--file") from error
    return {name: files[0] if len(files) == 1 else files for name, files in contents.items()}


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, dict):
        raise click.BadParameter(f"a parameter cannot be {value!r}", param_hint="--parameter")
    return value


def _bind(metadata: ModelMetadata, texts: tuple[str, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs by name; --text is for the input `text`, or the first that takes text."""
    if not texts:
        if not named:
            names = ", ".join(f"{one.name} ({one.datatype})" for one in metadata.inputs)
            raise InvalidRequest(
                f"model '{metadata.name}' needs inputs: {names}; give --text TEXT, --input NAME=VALUE or "
                "--file NAME=PATH"
            )
        return _as_text(metadata, named)
    takers = [one.name for one in metadata.inputs if one.datatype == "BYTES"]
    if not takers:
        names = ", ".join(f"{one.name} ({one.datatype})" for one in metadata.inputs)
        raise InvalidRequest(f"model '{metadata.name}' takes no text; its inputs are {names}: give --input NAME=VALUE")
    first = "text" if "text" in takers else takers[0]
    return {first: texts[0] if len(texts) == 1 else list(texts), **_as_text(metadata, named)}


def _as_text(metadata: ModelMetadata, named: Mapping[str, Any]) -> dict[str, Any]:
    """Turn numbers into text for inputs that take text."""
    takers = {one.name for one in metadata.inputs if one.datatype == "BYTES"}
    return {
        name: str(value) if name in takers and isinstance(value, int | float) else value
        for name, value in named.items()
    }


def _json(result: Result) -> str:
    import orjson

    outputs = {name: _plain(value) if _is_text(value) else value for name, value in result.items()}
    document = {"model_name": result.model_name, "model_version": result.model_version, "outputs": outputs}
    if result.parameters:
        document["parameters"] = dict(result.parameters)
    # bytes that are no UTF-8 text come out as the characters of the same numbers
    return orjson.dumps(document, lambda raw: raw.decode("latin-1"), orjson.OPT_SERIALIZE_NUMPY).decode()


def _is_text(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "O"


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _show(result: Result) -> None:
    """Print outputs of equal length side by side, with a row for each element; others one below the other."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{result.model_name} (version {result.model_version})", title_justify="left")
    columns = {name: value for name, value in result.items() if getattr(value, "ndim", 0) == 1}
    lengths = {len(value) for value in columns.values()}
    if len(result) > 1 and len(columns) == len(result) and len(lengths) == 1:
        for name in columns:
            table.add_column(Text(name))
        for row in zip(*columns.values(), strict=True):
            table.add_row(*(Text(_brief(value)) for value in row))
    else:
        table.add_column("output")
        table.add_column("shape")
        table.add_column("value")
        for name, value in result.items():
            table.add_row(Text(name), Text(str(list(getattr(value, "shape", ())))), Text(_brief(value)))
    console = Console()
    console.print(table)
    for name, value in result.parameters.items():
        console.print(Text(f"{name}: {value}"))


def _show_ranking(result: Result, documents: Any) -> None:
    """Print the documents, best first. `score` is in their order; `index` says which is best, second best and so on."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = documents if isinstance(documents, list) else [documents]
    table = Table(title=f"{result.model_name} (version {result.model_version})", title_justify="left")
    for name in ("rank", "index", "score", "document"):
        table.add_column(name)
    for rank, index in enumerate(_plain(result["index"]), 1):
        table.add_row(str(rank), str(index), _brief(result["score"][index]), Text(str(texts[index])))
    Console().print(table)


def _brief(value: Any) -> str:
    """Return a number, a text, or the first few of many."""
    plain = _plain(value)
    if isinstance(plain, float):
        return f"{plain:.5g}"
    if not isinstance(plain, list):
        return str(plain)
    shown = ", ".join(_brief(one) for one in plain[:SHOWN_VALUES])
    return f"[{shown}, …]" if len(plain) > SHOWN_VALUES else f"[{shown}]"
