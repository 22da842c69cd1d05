"""From tritonserver's arguments to ServerSettings and model repositories. Pure: nothing is opened, started or printed.

As with getopt_long, `--flag=value` and `--flag value` mean the same, and a name may be cut short as long as it is clear
which is meant. A boolean flag without a value means true. Of the environment, one variable counts, as in Triton.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naiad.cli.triton_flags import BOOLEAN, DEFAULTS, NUMBER, REPLACED, SWITCH, TritonFlag, all_flags
from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings, options
from naiad.repository import Entry, FolderReference, ModelEntry, StoreReference, parse_reference, read_manifest

_TRUE, _FALSE = ("true", "on", "1"), ("false", "off", "0")
_BY_NAME = {flag.name: flag for flag in all_flags()}

ESCAPE_VARIABLE = "TRITON_SERVER_ESCAPE_LOG_MESSAGES"
"""0: messages in the log are not escaped."""


@dataclass(slots=True)
class TritonArguments:
    """What a command line of tritonserver says."""

    settings: ServerSettings = field(default_factory=ServerSettings)
    repositories: tuple[FolderReference | StoreReference, ...] = ()
    """Each once; paths are absolute."""
    manifest: Path | None = None
    """Lists further models."""
    warnings: list[str] = field(default_factory=list)
    """One line for each flag that has no effect, or no longer the best name."""

    def entries(self) -> tuple[Entry, ...]:
        """Return the repositories as entries, and those of the manifest.

        Raises what `repository_entries` does, InvalidConfiguration for a manifest with mistakes, and NotFound if there
        is no such manifest.
        """
        listed = () if self.manifest is None else read_manifest(self.manifest).entries
        return (*self.repository_entries(), *listed)

    def repository_entries(self) -> tuple[ModelEntry, ...]:
        """Return the repositories as entries.

        Raises InvalidConfiguration for a folder that is not there, unless errors are to be borne.
        """
        for source in self.repositories:
            is_missing = isinstance(source, FolderReference) and not source.path.is_dir()
            if self.settings.exit_on_error and is_missing:
                raise InvalidConfiguration(f"creating server: Internal - failed to stat file {source}")
        return tuple(ModelEntry(source, is_repository=True) for source in self.repositories)


def read_arguments(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> TritonArguments:
    """Read a command line. Raises InvalidConfiguration saying which flag is wrong, and how."""
    return _Reader(environment or {}).read(arguments)


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._given: dict[str, Any] = {}
        """By the flag's name; a list for flags that can be repeated."""
        self._warnings: list[str] = []

    def read(self, arguments: Sequence[str]) -> TritonArguments:
        for flag, text in _pairs(list(arguments)):
            self._take(flag, text)
        values: dict[str, Any] = dict(DEFAULTS)
        for name, value in self._given.items():
            flag = _BY_NAME[name]
            if flag.field:
                values[flag.field] = tuple(value) if flag.is_repeatable else value
        self._complete(values)
        manifest = self._given.get("manifest")
        return TritonArguments(
            ServerSettings.of(**values), self._repositories(), Path(manifest) if manifest else None, self._warnings
        )

    def _take(self, flag: TritonFlag, text: str) -> None:
        try:
            value = _value(flag, text)
        except ValueError as error:
            raise InvalidConfiguration(f'Bad option: "--{flag.name}".\n{error}') from None
        if flag.no_effect:
            if text.lower() not in flag.harmless and flag.name not in self._given:
                self._warnings.append(f"--{flag.name} has no effect: {flag.no_effect}")
                self._given[flag.name] = value
        elif flag.is_repeatable:
            self._given.setdefault(flag.name, []).append(value)
        else:
            self._given[flag.name] = value

    def _complete(self, values: dict[str, Any]) -> None:
        """Add the values that no single flag sets."""
        given = self._given
        values["log_escape"] = self._environment.get(ESCAPE_VARIABLE) != "0"
        if "strict-model-config" in given:
            self._warnings.append("--strict-model-config is deprecated; use --disable-auto-complete-config")
            values["auto_complete_config"] = not given["strict-model-config"]
        if "disable-auto-complete-config" in given:
            values["auto_complete_config"] = False
        traces = [*given.get("trace-config", ())]
        for name, setting in REPLACED.items():
            for value in _listed(given.get(name, ())):
                self._warnings.append(f"--{name} is deprecated; use --trace-config {setting}={value}")
                traces.append(f"{setting}={value}")
        if traces:
            values["trace_config"] = tuple(traces)
        self._complete_cache(values)
        for option in options():
            if isinstance(option.default, float) and option.name in values:
                values[option.name] = float(values[option.name])
        self._complete_tls(values)

    def _complete_cache(self, values: dict[str, Any]) -> None:
        size = self._given.get("response-cache-byte-size")
        if size is None:
            return
        if "cache-config" in self._given:
            raise InvalidConfiguration(
                "Error: Incompatible flags --response-cache-byte-size and --cache-config both provided. Please provide "
                "one or the other."
            )
        self._warnings.append(f"--response-cache-byte-size is deprecated; use --cache-config local,size={size}")
        if size:
            values["cache_config"] = (f"local,size={size}",)

    def _complete_tls(self, values: dict[str, Any]) -> None:
        given = self._given
        is_mutual = given.get("grpc-use-ssl-mutual", False)
        files = {"grpc_tls_cert": "grpc-server-cert", "grpc_tls_key": "grpc-server-key"}
        if is_mutual:
            files["grpc_tls_client_ca"] = "grpc-root-cert"
        # Triton turns TLS on for --grpc-use-ssl-mutual, whatever its value.
        if not given.get("grpc-use-ssl", False) and "grpc-use-ssl-mutual" not in given:
            ignored = [name for name in (*files.values(), "grpc-root-cert") if name in given]
            self._warnings += [f"--{name} has no effect without --grpc-use-ssl=true" for name in ignored]
            return
        missing = [f"--{name}" for name in files.values() if not given.get(name)]
        if missing:
            switch = "--grpc-use-ssl-mutual" if is_mutual else "--grpc-use-ssl"
            raise InvalidConfiguration(f"{switch} needs {' and '.join(missing)}")
        values.update({option: given[name] for option, name in files.items()})

    def _repositories(self) -> tuple[FolderReference | StoreReference, ...]:
        named = [*self._given.get("model-repository", ()), *self._given.get("model-store", ())]
        if not named and not self._given.get("manifest"):
            raise InvalidConfiguration("creating server: Invalid argument - --model-repository must be specified")
        return tuple(dict.fromkeys(map(_repository, named)))


def _repository(text: str) -> FolderReference | StoreReference:
    """Read a folder, or an address in an object store; a folder need not exist (yet)."""
    if "://" not in text:
        return FolderReference(Path(text).absolute())
    reference = parse_reference(text)
    if isinstance(reference, FolderReference | StoreReference):
        return reference
    raise InvalidConfiguration(
        f"--model-repository: '{text}' is neither a folder nor in an object store (s3://, gs://, as://)"
    )


def _pairs(waiting: list[str]) -> Iterator[tuple[TritonFlag, str]]:
    """Give each flag and its value as text."""
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--") or word == "--":
            raise InvalidConfiguration(f"Unexpected argument: {word}")
        name, equals, text = word[2:].partition("=")
        flag = _find(name)
        if flag.kind == SWITCH:
            if equals:
                raise InvalidConfiguration(f"option '--{flag.name}' doesn't allow an argument")
            text = "true"
        elif not equals:
            text = _next(flag, waiting)
        yield flag, text


def _next(flag: TritonFlag, waiting: list[str]) -> str:
    """Take the value that stands after the flag."""
    if flag.kind == BOOLEAN and not (waiting and waiting[0].lower() in _TRUE + _FALSE):
        return "true"
    if not waiting:
        raise InvalidConfiguration(f"option '--{flag.name}' requires an argument")
    return waiting.pop(0)


def _find(name: str) -> TritonFlag:
    exact = _BY_NAME.get(name)
    if exact is not None:
        return exact
    meant = [flag for flag in _BY_NAME.values() if name and flag.name.startswith(name)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        choices = " ".join(f"'--{flag.name}'" for flag in meant)
        raise InvalidConfiguration(f"option '--{name}' is ambiguous; possibilities: {choices}")
    raise InvalidConfiguration(f"unrecognized option '--{name}'")


def _value(flag: TritonFlag, text: str) -> Any:
    """Turn a value's text into the value. Raises ValueError with a sentence."""
    lower = text.lower()
    if flag.name == "log-verbose" and lower in _TRUE + _FALSE:
        return int(lower in _TRUE)
    if flag.kind in (BOOLEAN, SWITCH):
        if lower not in _TRUE + _FALSE:
            raise ValueError(f"invalid value for bool option: {text}")
        return lower in _TRUE
    if flag.kind == NUMBER:
        return _number(flag, text)
    if flag.choices:
        if lower not in flag.choices:
            raise ValueError(f"invalid argument for --{flag.name}; there are: {', '.join(flag.choices)}")
        return lower
    return text


def _number(flag: TritonFlag, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise ValueError(f"Invalid option value. Got {text}")
    number = int(text)
    return number if flag.least is None else max(flag.least, number)


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    return [value]
