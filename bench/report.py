"""Turns the results into the table, as Markdown. Pure: data in, text out.

Rates are medians over the rounds; a ratio is the median of the rounds' own ratios, so that a slow minute of the
machine, which hits both sides of a round, does not change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from report_applications import applications
from report_batcher import delay, ensembles, scheduler
from report_python import python_models
from report_words import NAIAD, against, middle, ratio, table
from sections.caching import CACHED, INLINE

JOINS = (
    "Naiad is `naiad serve`, which joins requests that wait (`--join-waiting`), although the model's configuration has "
    "no `dynamic_batching`; `naiad triton` joins them as Triton does, only with that block."
)
SIMPLE_PEER = "Triton, batcher on"
SIMPLE_AIMS = {"1": 2.4, "8": 2.2, "32": 2.2}
"""Against Triton's Python backend; its C++ backend is about 2.15, 1.92 and 1.90 times as fast."""
TEXT_AIMS = (
    ("best offline policy", "offline", 0.9),
    ("best offline policy on Naiad's own graph", "offline, packed", 0.9),
    ("arrival order, 32 padded", "arrival order, 32", 3.5),
    ("one by one, two one-thread sessions", "one by one, two", 1.0),
)
"""Words of the row, beginning of the policy's name in bare.py, aim."""
TRITON_TEXT_AIMS = {"fp32": 1.4, "int8": 1.2}
"""By job, against Triton's Python backend at its best setting."""
LATENCY_AIM = 1.3
FAMILY_ALONE_AIM, FAMILY_CROWD_AIM = 1.0, 1.3
"""Against bare ONNX Runtime on the exported graph: one client, and 32 with texts of mixed length."""
TRITON = "Triton"
PROTOCOL_AIMS = {"simple": {way: {"1": 2.4, "8": 2.4, "32": 2.4} for way in ("gRPC", "HTTP binary")}}
"""By model and way, against Triton's Python backend at each concurrency."""
SHARED_AIM = 2.0
"""gRPC with system shared memory against gRPC without, at 600 kB."""
CACHE_AIM = 1.2
"""Time of a hit against that of a run of the fastest inline model."""
FOOTPRINT = (
    ("ready_s", "`naiad serve` of a cached MiniLM, exec to ready, file cache warm", "s", 2.0),
    ("environment_mb", "a fresh environment with the default install", "MB", 350.0),
    ("idle_mb", "resident memory of a server without models", "MB", 90.0),
    ("loaded_mb", "resident memory with MiniLM (fp32), ready", "MB", None),
    ("used_mb", "the same after serving at concurrency 32", "MB", None),
)


def markdown(results: dict) -> str:
    """The whole table of one run; sections that were not measured are left out, and notes stand below their section."""
    parts = [_machine(results["machine"], results)]
    writers = {
        "simple": _simple,
        "protocol": _protocol,
        "text": _text,
        "latency": _latency,
        "batching": _batching,
        "delay": delay,
        "scheduler": scheduler,
        "ensembles": ensembles,
        "families": _families,
        "caching": _caching,
        "functions": _functions,
        "applications": applications,
        "python-models": python_models,
        "footprint": _footprint,
    }
    for name, write in writers.items():
        if name in results:
            parts.append(write(results[name]))
            parts += results.get("notes", {}).get(name, [])
    return "\n\n".join(parts) + "\n"


def apart(machine: dict, rounds: int) -> str:
    """The note below a section that was measured at another time than the others."""
    return f"Measured apart from the others, in {rounds} rounds: {_place(machine)}"


def _place(machine: dict) -> str:
    hardware = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}"
    return f"Naiad {machine['versions']['naiad']} at {machine['commit']}, {machine['date']}, on {hardware}."


def _machine(machine: dict, results: dict) -> str:
    ours = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if name != "naiad")
    peers = ", ".join(machine["peers"].values())
    lines = [
        _place(machine),
        f"Python {machine['python']}, {ours}; {peers}.",
        f"Rounds: {results['rounds']}, contenders alternating. Load average before: {machine['load_average']}.",
    ]
    shares = sorted(_find(results, "others_share"))
    if shares:
        lines.append(
            f"While servers were measured, other processes took {median(shares):.0%} of the machine (median; "
            f"{shares[-1]:.0%} at most); above a few percent the figures are worth little."
        )
    if "generator" in results:
        rates = ", ".join(f"{rate:,.0f} at {c}" for c, rate in results["generator"].items())
        lines.append(f"The load generator shares the cores; against a constant answer it makes {rates} requests/s.")
    return "\n".join(lines)


def _find(data: object, name: str) -> Iterator[float]:
    """All values of this name, however deep."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key == name:
                yield value
            else:
                yield from _find(value, name)
    elif isinstance(data, list):
        for value in data:
            yield from _find(value, name)


def _simple(data: dict) -> str:
    rounds = data["rounds"]
    names, concurrencies = sorted(rounds[0], key=lambda name: name != NAIAD), list(rounds[0][NAIAD])
    rows = []
    for name in names:
        cells = []
        for c in concurrencies:
            rate, p50, p99 = (middle(rounds, name, c, key) for key in ("per_second", "p50_ms", "p99_ms"))
            has_cpu = "cpu_us" in rounds[0][name][c]  # runs before it was measured are still shown
            cpu = f"; {middle(rounds, name, c, 'cpu_us'):,.0f} µs" if has_cpu else ""
            cells.append(f"{rate:,.0f}/s ({p50:.2f} / {p99:.2f} ms{cpu})")
        rows.append([name, *cells])
    for name in names[1:]:
        ratios = [ratio(rounds, (NAIAD, c, "per_second"), (name, c, "per_second")) for c in concurrencies]
        aims = [SIMPLE_AIMS.get(c) if name == SIMPLE_PEER else None for c in concurrencies]
        rows.append([f"Naiad / {name}", *map(against, ratios, aims)])
    title = "## `simple` over HTTP JSON: requests/s (p50 / p99; server's processor time for a request)\n\n"
    body = table(["", *(f"concurrency {c}" for c in concurrencies)], rows)
    return "\n".join([title + body, "", JOINS, "", "Settings:", "", *_settings(data["settings"], "simple")])


def _protocol(data: dict) -> str:
    """A table for each model; a row for each way to ask."""
    rounds = data["rounds"]
    parts = ["## perf_analyzer: requests/s (server's processor time for a request)", JOINS]
    for model, ways in rounds[0].items():
        concurrencies = list(next(iter(ways.values()))[NAIAD])
        rows = []
        for way in ways:
            for name in (NAIAD, TRITON):
                figures = [[middle(rounds, model, way, name, c, key) for key in ("per_second", "cpu_us")]
                           for c in concurrencies]  # fmt: skip
                rows.append([f"{way}, {name}", *(f"{rate:,.0f}/s ({cpu_us:,.0f} µs)" for rate, cpu_us in figures)])
            aims = PROTOCOL_AIMS.get(model, {}).get(way, {})
            rows.append([f"**{way}, Naiad / Triton**", *(
                against(ratio(rounds, (model, way, NAIAD, c, "per_second"), (model, way, TRITON, c, "per_second")),
                        aims.get(c)) for c in concurrencies
            )])  # fmt: skip
        for name in (NAIAD, TRITON) if model == "image" else ():
            upper, lower = (model, "gRPC, shared memory", name), (model, "gRPC", name)
            rows.append([f"**shared memory / gRPC, {name}**", *(
                against(ratio(rounds, (*upper, c, "per_second"), (*lower, c, "per_second")),
                        SHARED_AIM if name == NAIAD else None) for c in concurrencies
            )])  # fmt: skip
        parts.append(f"`{model}`:\n\n" + table(["", *(f"concurrency {c}" for c in concurrencies)], rows))
    return "\n\n".join(parts)


def _settings(settings: dict, where: str) -> list[str]:
    """The best settings of everybody but Naiad, one line each; concurrencies that share one stand together."""
    lines = []
    for name, found in settings.items():
        if name != NAIAD:
            shared = {words: [c for c, other in found.items() if other == words] for words in found.values()}
            words = "; ".join(f"at {', '.join(cs)}: {words}" for words, cs in shared.items())
            lines.append(f"- {name}, {where}, {words}")
    return lines


def _text(data: dict) -> str:
    jobs = list(data)
    rows = {}
    for job in jobs:
        for label, cell, aim in _text_rows(job, data[job]["rounds"], data[job]["settings"]):
            rows.setdefault(label, {})[job] = (cell, aim)
    head = ["", *(f"{job} texts/s" for job in jobs), *(f"Naiad is, {job}" for job in jobs)]
    body = [
        [label, *(cells.get(job, ("-", ""))[0] for job in jobs), *(cells.get(job, ("-", ""))[1] for job in jobs)]
        for label, cells in rows.items()
    ]
    title = "## MiniLM, 512 texts of mixed length, concurrency 32\n\n"
    best = "; ".join(f"{job}: {best_policy(data[job]['rounds'], 'offline')}" for job in jobs)
    settings = [line for job in jobs for line in _settings(data[job]["settings"], job)]
    lines = [title + table(head, body), "", f"Best offline policy: {best}."]
    return "\n".join([*lines, *(["", "Settings:", "", *settings] if settings else [])])


def _text_rows(job: str, rounds: list, settings: dict) -> Iterator[tuple[str, str, str]]:
    """Label, rate and Naiad's ratio of every row of one job."""
    ours = ("served", NAIAD, "per_second")
    p50, p99 = (middle(rounds, "served", NAIAD, key) for key in ("p50_ms", "p99_ms"))
    yield "**Naiad over HTTP**", f"**{middle(rounds, *ours):,.0f}** (p50 {p50:.0f}, p99 {p99:.0f} ms)", ""
    for words, beginning, aim in TEXT_AIMS:
        policy = ("bare", best_policy(rounds, beginning))
        yield f"bare, {words}", f"{middle(rounds, *policy):,.0f}", against(ratio(rounds, ours, policy), aim)
    for name in settings:
        theirs = ("served", name, "per_second")
        if name != NAIAD:
            p50, p99 = (middle(rounds, "served", name, key) for key in ("p50_ms", "p99_ms"))
            cell = f"{middle(rounds, *theirs):,.0f} (p50 {p50:.0f}, p99 {p99:.0f} ms)"
            yield name, cell, against(ratio(rounds, ours, theirs), TRITON_TEXT_AIMS[job] if name == TRITON else None)
    for policy in rounds[0]["bare"]:
        yield f"bare: {policy}", f"{middle(rounds, 'bare', policy):,.0f}", ""


def best_policy(rounds: list, beginning: str) -> str:
    """The fastest of the bare policies whose names begin so."""
    policies = [policy for policy in rounds[0]["bare"] if policy.startswith(beginning)]
    return max(policies, key=lambda policy: middle(rounds, "bare", policy))


def _latency(data: dict) -> str:
    rows = []
    for job, measured in data.items():
        rounds = measured["rounds"]
        best = _quickest(rounds)
        for key, word, aim in (("mean_ms", "mean", LATENCY_AIM), ("p50_ms", "median", None)):
            ours, bare = ("served", key), ("bare", best, key)
            cells = [f"{middle(rounds, *ours):.2f} ms", f"{middle(rounds, *bare):.2f} ms ({best})"]
            rows.append([f"{job}, {word}", *cells, against(ratio(rounds, ours, bare), aim, at_most=True)])
    title = "## Concurrency 1: text to embedding\n\n"
    return title + table(["", "Naiad over HTTP", "tokenizers + bare ONNX Runtime, best session", "ratio"], rows)


def _quickest(rounds: list) -> str:
    return min(rounds[0]["bare"], key=lambda kind: middle(rounds, "bare", kind, "mean_ms"))


def _batching(data: dict) -> str:
    rows = []
    for job, measured in data.items():
        rounds = measured["rounds"]
        concurrencies = list(rounds[0]["on"])
        for name, words in (("on", "as served"), ("off", "one text at a time")):
            cells = [f"{middle(rounds, name, c, 'per_second'):,.0f}/s" for c in concurrencies]
            rows.append([f"{job}, {words}", *cells])
        ratios = [ratio(rounds, ("on", c, "per_second"), ("off", c, "per_second")) for c in concurrencies]
        rows.append([f"{job}, ratio", *map(against, ratios, [1.0] * len(ratios))])
    head = ["", *(f"concurrency {c}" for c in concurrencies)]
    title = "## Batching against one text at a time, both in Naiad (not below 1 but for noise)\n\n"
    return title + table(head, rows)


def _families(data: dict) -> str:
    """Two rows for each shape: alone, and with 32 clients."""
    rows = []
    for shape, measured in data.items():
        rounds = measured["rounds"]
        aims = {"1": FAMILY_ALONE_AIM, "32": FAMILY_CROWD_AIM if "vit" not in shape else None}
        for c, aim in aims.items():
            ours = ("served", c, "per_second")
            policies = [name for name in rounds[0]["bare"] if c != "1" or name.startswith("one by one, one session")]
            best = max(policies, key=lambda policy: middle(rounds, "bare", policy))
            cells = [f"{middle(rounds, *ours):,.1f}/s", f"{middle(rounds, 'bare', best):,.1f}/s ({best})"]
            rows.append([f"{shape}, concurrency {c}", *cells, against(ratio(rounds, ours, ("bare", best)), aim)])
    title = "## Other families: Naiad over HTTP against bare ONNX Runtime on torch's export\n\n"
    return title + table(["", "Naiad", "bare, best policy", "ratio"], rows)


def _caching(data: dict) -> str:
    """What a hit costs: a request that the cache answers against one that the fastest inline model does."""
    rounds, rows = data["rounds"], []
    for concurrency in rounds[0][CACHED]:
        hits, runs = (middle(rounds, way, concurrency, "per_second") for way in (CACHED, INLINE))
        price = ratio(rounds, (INLINE, concurrency, "per_second"), (CACHED, concurrency, "per_second"))
        rows.append([f"c={concurrency}", f"{hits:,.0f}", f"{runs:,.0f}", against(price, CACHE_AIM, at_most=True)])
    head = ["", "requests/s from the cache", "run inline", "price of a hit"]
    return "## The response cache: `simple` over HTTP JSON\n\n" + table(head, rows)


def _functions(data: dict) -> str:
    """Latencies of one client at a time, and the aim: at most a third of PyTriton's."""
    rounds, rows = data["rounds"], []
    for name in ("ModelClient http", "ModelClient grpc", "tritonclient grpc"):
        ours, theirs = middle(rounds, "Naiad", name, "p50_ms"), middle(rounds, "PyTriton", name, "p50_ms")
        share = ratio(rounds, ("Naiad", name, "p50_ms"), ("PyTriton", name, "p50_ms"))
        rows.append([f"p50, {name}", f"{ours:.2f} ms", f"{theirs:.2f} ms", against(share, 0.333, at_most=True)])
    ours, theirs = middle(rounds, "Naiad", "ready_s"), middle(rounds, "PyTriton", "ready_s")
    reached = "≤ 1.5 s: " + ("reached" if ours <= 1.5 else "**missed**")
    rows.append(["four models ready", f"{ours:.2f} s", f"{theirs:.2f} s", reached])
    return "## A Python function: identity of 256 floats\n\n" + table(["", "Naiad", "PyTriton", "aim"], rows)


def _footprint(data: dict) -> str:
    rows = []
    for key, words, unit, aim in FOOTPRINT:
        value = data[key]
        reached = "" if aim is None else f"≤ {aim:g} {unit}: " + ("reached" if value <= aim else "**missed**")
        rows.append([words, f"{value:.2f} {unit}" if unit == "s" else f"{value:,.0f} {unit}", reached])
    return "## Start and size\n\n" + table(["", "Naiad", "aim"], rows)
