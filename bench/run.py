"""The benchmark: prints the whole table as Markdown and writes it to bench/results, with the figures and a picture.

    .venv/bin/python bench/run.py             # everything (one to two hours)
    .venv/bin/python bench/run.py --quick     # one short round, Triton the only peer (five minutes)
    .venv/bin/python bench/run.py --only simple footprint --rounds 5
    .venv/bin/python bench/run.py --only families --renew    # keep the other sections of the last figures
    .venv/bin/python bench/run.py --redraw    # measure nothing; write table and picture anew from the last figures

How it measures and what it does not say: docs/explanation/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import generator
import machine
from batching_pictures import pictures
from contender import FP32, TEXT_JOBS, Files, Peer
from environment import FOLDER, prepare
from match import Pace, note
from peers.litserve import LitServe
from peers.mlserver import MLServer
from peers.mosec import Mosec
from peers.naiad import Naiad
from peers.triton import Triton
from picture import picture
from report import apart, markdown
from sections import (
    applications,
    batching,
    caching,
    delay,
    ensembles,
    families,
    footprint,
    functions,
    latency,
    protocol,
    python_models,
    scheduler,
    simple,
    text,
)

RESULTS = Path(__file__).with_name("results")
SECTIONS = (
    "generator",
    "simple",
    "protocol",
    "text",
    "latency",
    "batching",
    "delay",
    "scheduler",
    "ensembles",
    "families",
    "caching",
    "functions",
    "applications",
    "python-models",
    "footprint",
)
PEERS: dict[str, type[Peer]] = {"triton": Triton, "mosec": Mosec, "mlserver": MLServer, "litserve": LitServe}
FULL = Pace(rounds=3, seconds=3.0, warm_up_s=0.7, trial_s=1.5)
QUICK = Pace(rounds=1, seconds=1.5, warm_up_s=0.5, trial_s=0.6)


def ways(peers: Sequence[Peer], pace: Pace, files: Files, *, quick: bool) -> dict[str, Callable[[], dict]]:
    """How each section is measured."""
    everyone = [Naiad(), *peers]
    embedders = everyone[:1] if quick else everyone
    jobs = (FP32,) if quick else TEXT_JOBS
    return {
        "generator": lambda: generator.measure(FOLDER / "logs", pace.trial_s),
        "simple": lambda: simple.measure(everyone, pace, files),
        "protocol": lambda: protocol.measure(pace, files),
        "text": lambda: {job: text.measure(job, embedders, pace, files) for job in TEXT_JOBS},
        "latency": lambda: {job: latency.measure(job, pace, files) for job in TEXT_JOBS},
        "batching": lambda: {job: batching.measure(job, pace, files) for job in jobs},
        "delay": lambda: delay.measure(pace, files, with_triton=bool(peers)),
        "scheduler": lambda: scheduler.measure(pace, files),
        "ensembles": lambda: ensembles.measure(pace, files, with_triton=bool(peers)),
        "families": lambda: families.measure(pace, files),
        "caching": lambda: caching.measure(pace, files),
        "functions": lambda: functions.measure(pace, files),
        "applications": lambda: applications.measure(pace, files),
        "python-models": lambda: python_models.measure(pace, files),
        "footprint": lambda: footprint.measure(pace, files),
    }


def write(results: dict, path: Path) -> str:
    """Write the figures so far, their table and their picture beside each other; answer the table."""
    results = json.loads(json.dumps(results))  # keys become text, as they are when the file is read again
    page = markdown(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(page)
    path.with_suffix(".svg").write_text(picture(results))
    for name, drawn in pictures(results).items():
        path.with_name(f"{path.stem}-{name}.svg").write_text(drawn)
    return page


def read_last(path: Path) -> dict:
    """The figures of an earlier run; ends the program where there is none."""
    try:
        return json.loads(path.with_suffix(".json").read_text())
    except FileNotFoundError:
        sys.exit(f"{path.with_suffix('.json')}: no such file; measure once without --renew or --redraw")


def main() -> None:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped on the way out
    path = (FOLDER / "results" if options.quick else RESULTS) / options.results
    last = read_last(path) if options.redraw or options.renew else {}
    if options.redraw:
        write(last, path)
        return
    chosen = options.peers if options.peers is not None else ["triton"] if options.quick else list(PEERS)
    pace = QUICK if options.quick else FULL
    if options.rounds:
        pace = replace(pace, rounds=options.rounds)
    asks_triton = bool({"protocol", "python-models"} & set(options.only))
    files = prepare(["triton", *chosen] if asks_triton and "triton" not in chosen else chosen)
    here = machine.describe()
    results = last or {"machine": here, "rounds": pace.rounds}
    page = ""
    sections = ways([PEERS[name]() for name in chosen], pace, files, quick=options.quick)
    for name in options.only:
        note(f"{name} …")
        results[name] = sections[name]()
        if options.renew:
            results.setdefault("notes", {})[name] = [apart(here, pace.rounds)]
        page = write(results, path)
    print(page)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, Triton the only peer")
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--rounds", type=int, help="how often everybody meets everybody")
    parser.add_argument(
        "--renew", action="store_true", help="keep what the results have of other sections; the page tells them apart"
    )
    parser.add_argument("--redraw", action="store_true", help="measure nothing; write table and picture anew")
    parser.add_argument("--results", default="latest", help="name of the files in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
