"""What `--trace-config` says: the values tracing starts with, the file, and where spans are sent.

    triton,file=PATH  triton,log-frequency=N  opentelemetry,url=URL  opentelemetry,resource=KEY=VALUE
    opentelemetry,bsp_max_queue_size=N …  rate=N  level=LEVEL  count=N  mode=triton|opentelemetry

The words are Triton's; an option of its own mode is never taken for the other, and an unknown one is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.observe.trace.settings import LEVELS, OFF, TraceValues, parse_level, parse_number

MODES = ("triton", "opentelemetry")
_VALUES = ("rate", "level", "count", "log-frequency", "mode")
_BATCHING = {"bsp_schedule_delay": 5000, "bsp_max_export_batch_size": 512, "bsp_max_queue_size": 2048}
"""Options of the batch span processor with their defaults: milliseconds, spans, spans."""
_KEYS = {"": _VALUES, "triton": ("file", "log-frequency"), "opentelemetry": ("url", "resource", *_BATCHING)}
_OLD_LEVELS = {"MIN": "TIMESTAMPS", "MAX": "TIMESTAMPS"}


@dataclass(frozen=True, slots=True)
class SpanOptions:
    """Where spans go, and how."""

    url: str = "http://localhost:4318/v1/traces"
    """Address of an OTLP collector that accepts HTTP."""
    resource: tuple[str, ...] = ()
    """Attributes of this server, each KEY=VALUE."""
    batching: dict[str, int] = field(default_factory=lambda: dict(_BATCHING))

    def document(self) -> dict[str, str | list[str]]:
        """Return the options as the trace settings show them."""
        resource = {"resource": self.resource[0] if len(self.resource) == 1 else list(self.resource)}
        return {
            "url": self.url,
            **(resource if self.resource else {}),
            **{key: str(value) for key, value in self.batching.items()},
        }


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """How tracing starts."""

    values: TraceValues = field(default_factory=TraceValues)
    mode: str = "triton"
    file: str = ""
    """Empty: nothing can be traced in Triton's mode."""
    spans: SpanOptions = field(default_factory=SpanOptions)

    @property
    def makes_spans(self) -> bool:
        """Whether the mode is OpenTelemetry's."""
        return self.mode == "opentelemetry"


def read_trace_config(lines: Iterable[str]) -> TraceOptions:
    """Read the values of `--trace-config`, each given alone or, those without a mode, joined by commas.

    Raises InvalidConfiguration.
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        for key, value in _split(line):
            found.setdefault(key, []).append(value)
    try:
        values = TraceValues(
            _levels(found.pop("level", [])),
            parse_number("trace_rate", _last(found, "rate", "1000")),
            parse_number("trace_count", _last(found, "count", "-1")),
            parse_number("log_frequency", _last(found, "log-frequency", "0")),
        )
    except InvalidRequest as error:
        raise InvalidConfiguration(f"--trace-config: {error.message}") from error
    mode = _last(found, "mode", "triton").lower()
    if mode not in MODES:
        raise InvalidConfiguration(f"--trace-config mode must be {' or '.join(MODES)}, not '{mode}'")
    options = TraceOptions(values, mode, _last(found, "file", ""), _spans(found))
    _check(options)
    return options


def _split(line: str) -> Iterable[tuple[str, str]]:
    mode, comma, rest = line.partition(",")
    if comma and "=" not in mode:
        if mode.lower() not in MODES:
            raise InvalidConfiguration(f"--trace-config '{line}': the mode must be {' or '.join(MODES)}")
        pairs, mode = [rest], mode.lower()
    else:
        pairs, mode = line.split(","), ""
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise InvalidConfiguration(f"--trace-config '{line}': each option is KEY=VALUE")
        if key not in _KEYS[mode]:
            allowed = ", ".join((f"{mode}," if mode else "") + known for known in _KEYS[mode])
            raise InvalidConfiguration(f"--trace-config '{line}': unknown option '{key}'; known: {allowed}")
        yield key, value


def _last(found: dict[str, list[str]], key: str, default: str) -> str:
    """Return the value given last, as for every flag."""
    return found.get(key, [default])[-1]


def _levels(names: list[str]) -> tuple[str, ...]:
    names = [_OLD_LEVELS.get(name.upper(), name.upper()) for name in names]
    for name in names:
        if name not in (*LEVELS, OFF):
            raise InvalidRequest(f"level must be {', '.join(LEVELS)} or {OFF}, not '{name}'")
    return parse_level(names)


def _spans(found: dict[str, list[str]]) -> SpanOptions:
    resource = tuple(found.get("resource", ()))
    for attribute in resource:
        if not attribute.partition("=")[1]:
            raise InvalidConfiguration(f"--trace-config opentelemetry,resource must be KEY=VALUE, not '{attribute}'")
    batching = dict(_BATCHING)
    for key in _BATCHING:
        text = _last(found, key, str(batching[key]))
        if not text.isascii() or not text.isdigit() or not 0 < int(text[:10]) < 2**31 or len(text) > 10:
            raise InvalidConfiguration(f"--trace-config opentelemetry,{key} must be a positive number, not '{text}'")
        batching[key] = int(text)
    if batching["bsp_max_export_batch_size"] > batching["bsp_max_queue_size"]:
        raise InvalidConfiguration("--trace-config: bsp_max_export_batch_size must not exceed bsp_max_queue_size")
    url = _last(found, "url", SpanOptions().url)
    return SpanOptions(url, resource, batching)


def _check(options: TraceOptions) -> None:
    values = options.values
    if options.makes_spans:
        if values.level == ("TENSORS",):
            raise InvalidConfiguration(
                "--trace-config: mode=opentelemetry needs level=TIMESTAMPS; TENSORS works only with mode=triton"
            )
        return
    if values.level and not options.file:
        raise InvalidConfiguration(f"--trace-config: level={values.level[0]} needs triton,file=PATH")
    if values.level and not values.rate:
        raise InvalidConfiguration("--trace-config: rate=0 works only with mode=opentelemetry")
    folder = Path(options.file).parent
    if options.file and (not folder.is_dir() or Path(options.file).is_dir()):
        raise InvalidConfiguration(
            f"--trace-config triton,file={options.file}: the path must be a file in an existing folder"
        )
