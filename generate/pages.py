"""The pages of docs/reference that follow from the code: commands, errors, metrics, states, tasks."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import click

import naiad.tasks
from naiad.cli.main import COMMANDS, module_of
from naiad.cli.options import group_of
from naiad.client.errors import Unreachable
from naiad.core import errors
from naiad.observe import load
from naiad.observe.cache_statistics import LOCAL_ONLY, SHARED_METRICS
from naiad.observe.cache_statistics import METRICS as CACHE_METRICS
from naiad.observe.metrics import jobs, preprocessing, queues
from naiad.observe.metrics import page as metrics
from naiad.observe.metrics.latencies import LatencyOptions
from naiad.observe.metrics.rate_limits import LIMIT_SUMMARIES, TOTAL, USED, WAITED, WAITING
from naiad.observe.recent import SLICE_S, SLICES
from naiad.observe.statistics import MOST_PRIORITIES
from naiad.protocol.status import TABLE
from naiad.scheduling.held import BACKLOG_DELAY, DELAY
from naiad.serving.caching.options import PASSWORD_VARIABLE, USER_VARIABLE
from naiad.serving.states import TRANSITIONS, VersionState
from naiad.wire.grpc.servicer import DELAY as GRPC_DELAY

BY_PRIORITY = (
    f"of models with several `priority_levels`; label `priority`: 1 to {MOST_PRIORITIES}, or `{queues.OTHERS}`"
)
QUEUES = (
    ("histogram", *queues.BATCH_SIZE),
    ("summary", queues.BATCH_SUMMARY[0], f"{queues.BATCH_SUMMARY[1]}; with `summary_latencies=true`"),
    ("gauge", queues.WAITING[0], f"{queues.WAITING[1]}; {BY_PRIORITY}"),
    ("histogram", queues.WAITED[0], f"{queues.WAITED[1]}; {BY_PRIORITY}"),
    ("summary", queues.SUMMARY[0], f"{queues.SUMMARY[1]}; with `summary_latencies=true`, {BY_PRIORITY}"),
)
WITH_SUMMARIES = "with `summary_latencies=true`"
RATES = (
    ("gauge", *WAITING),
    ("histogram", *WAITED),
    ("summary", LIMIT_SUMMARIES["limit"][0], f"{LIMIT_SUMMARIES['limit'][1]}; {WITH_SUMMARIES}"),
    ("gauge", *TOTAL),
    ("gauge", *USED),
)
REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
NOTICE = "<!-- Generated from the code by generate/pages.py; run `make generate` after a change. -->"


ENVIRONMENT = (
    (
        "NAIAD_CACHE",
        "`naiad` below `XDG_CACHE_HOME` or `~/.cache`",
        (
            "Folder for converted and prepared models that cannot be kept next to the model (in `.naiad`): models from "
            "the Hub's cache, from packages and from read-only folders. If it cannot be written, a temporary folder is "
            "used, or one in memory, with a warning, and removed at exit"
        ),
    ),
    ("HF_HOME", "`~/.cache/huggingface`", "The Hub's cache, shared with other programs"),
    ("HF_TOKEN", "the saved login", "Token for the Hub"),
    ("HF_ENDPOINT", "https://huggingface.co", "A mirror of the Hub"),
    ("HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "", "A proxy for downloads, and what is reached without it"),
    (
        "SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE",
        "the usual certificates",
        "File with the certificates to trust; the first one set counts",
    ),
    ("HF_HUB_OFFLINE", "0", "1 means `--offline`"),
    (
        DELAY,
        "",
        "For tests, as in Triton: models with `dynamic_batching` or sequences begin when so many requests wait",
    ),
    (BACKLOG_DELAY, "", "For tests, as in Triton: nor before so many wait in sequences that have no place yet"),
    (GRPC_DELAY, "", "For tests, as in Triton: seconds that every gRPC answer but those of inference comes later"),
    (USER_VARIABLE, "", "User for `--cache-config redis`, unless `redis,user=` is given"),
    (PASSWORD_VARIABLE, "", "Password for `--cache-config redis`, unless `redis,password=` is given"),
)
"""Variables without an option: name, default, meaning."""


def errors_page() -> Iterator[str]:
    """Every class of the tree, with the status that it is sent as."""
    yield "# Errors\n"
    yield (
        "Every error that Naiad raises on purpose is a `NaiadError` with a `message` for people, a stable `code` for "
        'programs and a `detail` with the values involved. Over HTTP it is sent as `{"error": message}` with the '
        "status below. The clients turn answers back into these classes.\n"
    )
    yield "```"
    tree = next(part for part in (inspect.getdoc(errors) or "").split("\n\n") if "├──" in part)
    yield textwrap.dedent(tree)
    yield "```\n"
    yield "| Code | Class | Meaning | HTTP | gRPC |"
    yield "|---|---|---|---|---|"
    for cls in [*TABLE, Unreachable]:
        http, grpc = TABLE.get(cls, ("client only", ""))
        first = " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())
        yield f"| `{cls.code}` | `naiad.errors.{cls.__name__}` | {first} | {http} | {grpc} |"


def cli_page() -> Iterator[str]:
    """Every command, argument and option."""
    yield "# Command line\n"
    yield "`naiad COMMAND --help` says the same. An option overrides the environment, which overrides the default.\n"
    for name in COMMANDS:
        command: click.Command = importlib.import_module(module_of(name)).command
        yield f"## naiad {name}\n"
        context = click.Context(command, info_name=f"naiad {name}")
        yield f"    {' '.join(command.get_usage(context).removeprefix('Usage: ').split())}\n"
        yield inspect.cleandoc(command.help or "") + "\n"
        yield from _option_tables(command)
    yield "## Environment variables without an option\n"
    yield "| Variable | Default | Meaning |"
    yield "|---|---|---|"
    yield from (
        f"| {', '.join(f'`{one}`' for one in name.split(', '))} | {default} | {meaning} |"
        for name, default, meaning in ENVIRONMENT
    )


def _option_tables(command: click.Command) -> Iterator[str]:
    """One table for each section of `--help`."""
    found = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    for group in dict.fromkeys(["Options", *map(group_of, found)]):
        members = [option for option in found if group_of(option) == group]
        if not members:
            continue
        if group != "Options":
            yield f"### {group}\n"
        yield "| Option | Default | Environment | Meaning |"
        yield "|---|---|---|---|"
        yield from (_option_row(option) for option in members)
        yield ""


def _option_row(option: click.Option) -> str:
    flags = " / ".join(f"`{flag}`" for flag in [*option.opts, *option.secondary_opts])
    help_text, _, written_default = (option.help or "").partition("[default: ")
    default: object = written_default.rstrip("] ")
    if not default and option.show_default:
        default = "on" if option.default is True else "off" if option.default is False else option.default
        default = " ".join(map(str, default)) if isinstance(default, tuple) else default
    environment = f"`{option.envvar}`" if option.envvar else ""
    meaning = " ".join(help_text.split()).replace("|", r"\|")
    return f"| {flags} | {default} | {environment} | {meaning} |"


def metrics_page() -> Iterator[str]:
    """Every metric."""
    yield "# Metrics\n"
    yield (
        "`GET :8002/metrics` answers in Prometheus' text format. The `nv_` metrics have Triton's names and meanings, "
        "so that its dashboards work; the histograms in seconds are ours. All but those of the machine and of the "
        "whole cache, and the two of the whole server, have the labels `model` and `version`.\n"
    )
    yield (
        "`--metrics-config`, which can be repeated, chooses among latency metrics, as in Triton: "
        "`counter_latencies=false` leaves the counters of microseconds out, `summary_latencies=true` adds summaries, "
        "`summary_quantiles=0.5:0.05,0.99:0.001` says of which quantiles (the default: "
        f"{', '.join(map(str, LatencyOptions().quantiles))}), and `histogram_latencies=true` adds the time to the "
        "first response of decoupled models, in buckets that a model's "
        "[`model_metrics`](model-config.md) may set.\n"
    )
    yield (
        f"Quantiles are of the last {(SLICES - 1) * SLICE_S:g} to {SLICES * SLICE_S:g} seconds, exact or within 0.2 % "
        "of their value, whatever error stands behind the colon; `Nan` when nothing has happened in that time. Counts "
        "and sums are of all time. Summaries cost every request some 3 µs; without `--metrics-config`, nothing.\n"
    )
    yield "| Metric | Type | Meaning |"
    yield "|---|---|---|"
    for row in (*metrics.PER_MODEL, *metrics.LATENCIES):
        yield f"| `{row.name}` | {row.type} | {row.help} |"
    for name, text in (load.WAITING, load.RUNNING):
        yield f"| `{name}` | gauge | {text}; without labels, as pickers of endpoints want it |"
    for row in metrics.CACHED:
        yield f"| `{row.name}` | {row.type} | {row.help}; of models with `response_cache` |"
    yield from _cache_rows()
    name, text = metrics.FAILURES
    yield f"| `{name}` | counter | {text}; label `reason` says why |"
    for name, text in metrics.SUMMARIES.values():
        yield f"| `{name}` | summary | {text}; with `summary_latencies=true` |"
    for name, text in metrics.CACHE_SUMMARIES.values():
        yield f"| `{name}` | summary | {text[:-1]}; with `summary_latencies=true`, of models with `response_cache` |"
    name, text = metrics.FIRST_RESPONSE
    buckets = ", ".join(f"{bound:g}" for bound in metrics.FIRST_RESPONSE_MS)
    yield f"| `{name}` | histogram | {text}; with `histogram_latencies=true`; buckets {buckets} |"
    for name, text in metrics.HISTOGRAMS.values():
        yield f"| `{name}` | histogram | {text} |"
    yield from (f"| `{name}` | {kind} | {text} |" for kind, name, text in QUEUES)
    name, text = metrics.BATCH_TOKENS
    yield f"| `{name}` | gauge | {text} |"
    name, text = metrics.BATCH_SECONDS
    yield (
        f"| `{name}` | gauge | {text}; label `texts`: one text (`alone`) or several (`together`); label `load`: the "
        "other instances are idle (`quiet`) or running (`busy`), or the run uses all cores (`wide`) |"
    )
    yield from _metrics_of_some()
    for name, text in metrics.PINNED:
        yield f"| `{name}` | gauge | {text} |"
    for name, text in metrics.MACHINE:
        yield f"| `{name}` | gauge | {text}; not with `--no-allow-cpu-metrics` |"


def _cache_rows() -> Iterator[str]:
    for name, text in CACHE_METRICS:
        which = " local" if name in LOCAL_ONLY else ""
        yield f"| `{name}` | gauge | {text}; with `--cache-config{which}` |"
    for name, kind, text in SHARED_METRICS:
        yield f"| `{name}` | {kind} | {text}; with `--cache-config redis` |"


def _metrics_of_some() -> Iterator[str]:
    """Those that not every model has."""
    for name, text, kind in metrics.WORKERS:
        yield f"| `{name}` | {kind} | {text}; of models that run in [worker processes](../how-to/python-models.md) |"
    for name, text, kind in preprocessing.METRICS:
        yield f"| `{name}` | {kind} | {text}; of [endpoints](../how-to/move-from-clearml.md) |"
    for name, text in metrics.SEQUENCES:
        yield f"| `{name}` | gauge | {text}; of models with `sequence_batching` |"
    yield from (f"| `{name}` | {kind} | {text}; with `--rate-limit execution_count` |" for kind, name, text in RATES)
    yield from (
        f"| `{name}` | {kind} | {text}; with [`--jobs`](../how-to/run-jobs.md) |" for name, text, kind in jobs.ALL
    )


def tasks_page() -> Iterator[str]:
    """What each task takes and returns, as its module says."""
    yield "# Tasks\n"
    yield (
        "A Hugging Face model's task, what it is for, determines its inputs and outputs. It is read from the "
        "checkpoint; `task:` in the manifest overrides it. `GET /v2/models/NAME` describes a served model. Put "
        "parameters into a request's `parameters`, and their defaults into the manifest's `options`. Request "
        "parameters that a task does not know are ignored, since they may be meant for someone else (`content_type`, "
        "forwarded headers), unless one looks like a misspelling: that is an error.\n"
    )
    names = sorted(module.name for module in pkgutil.walk_packages(naiad.tasks.__path__, "naiad.tasks."))
    for name in sorted(names, key=lambda name: [".text." not in name, ".retrieval." not in name]):
        text = inspect.getdoc(importlib.import_module(name)) or ""
        if "    inputs " in text:
            title, _, rest = text.partition("\n")
            task, _, summary = title.partition(": ")
            yield f"## {task}\n"
            yield f"{summary[:1].upper()}{summary[1:]}\n{rest}\n"


def states_page() -> Iterator[str]:
    """The life of a model version."""
    yield "# States of a model version\n"
    yield "The repository index (`POST /v2/repository/index`) shows them.\n"
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {VersionState.UNKNOWN}"
    for state, following in TRANSITIONS.items():
        yield from (f"    {state} --> {after}" for after in VersionState if after in following)
    yield "```"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "errors.md": errors_page,
    "cli.md": cli_page,
    "metrics.md": metrics_page,
    "states.md": states_page,
    "tasks.md": tasks_page,
}


def render() -> dict[Path, str]:
    """Each page and its text."""
    return {REFERENCE / name: "\n".join([NOTICE, "", *page()]).rstrip() + "\n" for name, page in PAGES.items()}
