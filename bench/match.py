"""Lets contenders meet: finds each one's best setting, starts it, checks its answers, warms it up, measures it.

The sections say who meets whom and how often; everything that must be the same for all contenders is here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from contender import SIMPLE, Files, Pair, Peer, Setting
from drive import Figures, measure_load
from quiet import Witness
from server_process import running

NEAREST_COSINE = {"fp32": 0.9999, "int8": 0.975}
"""Least cosine to the fp32 embedding; the usual int8 with one scale per tensor does not come nearer."""


@dataclass(frozen=True)
class Items:
    """What is asked for, and what must be answered."""

    asked: Sequence[Pair | str]
    expected: np.ndarray
    """Answers to the first few."""


@dataclass(frozen=True)
class Pace:
    """How long and how often things are measured."""

    rounds: int
    seconds: float
    """Of one measurement of one contender at one concurrency."""
    warm_up_s: float
    trial_s: float
    """Of one setting while the best is looked for."""


Record = dict[str, float]
"""The figures of one measurement as they go into the results."""


Settings = dict[int, Setting]
"""A contender's best setting by concurrency."""


def best_settings(
    peer: Peer, job: str, items: Items, concurrencies: Sequence[int], pace: Pace, files: Files
) -> Settings:  # fmt: skip
    """By concurrency, the setting with the most answers per second."""
    settings = peer.settings(job)
    if len(settings) == 1:
        return dict.fromkeys(concurrencies, settings[0])
    trial = replace(pace, seconds=pace.trial_s)
    rates = {}
    for setting in settings:
        found = meet(peer, job, setting, items, concurrencies, trial, files)
        rates[setting] = {c: figures["per_second"] for c, figures in found.items()}
        note(f"  {peer.name} {job}: {setting.words}: {rates_in_words(found)}")
    return {c: max(settings, key=lambda setting, c=c: rates[setting][c]) for c in concurrencies}


def meet_at_best(peer: Peer, job: str, settings: Settings, items: Items, pace: Pace, files: Files) -> dict[int, Record]:
    """`meet` with the best setting for each concurrency."""
    found = {}
    for setting in dict.fromkeys(settings.values()):
        concurrencies = [c for c, best in settings.items() if best == setting]
        found |= meet(peer, job, setting, items, concurrencies, pace, files)
    return {c: found[c] for c in settings}


def settings_in_words(settings: dict[str, Settings]) -> dict[str, dict[int, str]]:
    """What goes into the results, by contender and concurrency."""
    return {name: {c: setting.words for c, setting in found.items()} for name, found in settings.items()}


def rates_in_words(figures: dict[int, Record]) -> str:
    """`9,500/s at 1, 32,000/s at 8` for notes."""
    return ", ".join(f"{record['per_second']:,.0f}/s at {c}" for c, record in figures.items())


def meet(
    peer: Peer, job: str, setting: Setting, items: Items, concurrencies: Sequence[int], pace: Pace, files: Files
) -> dict[int, Record]:  # fmt: skip
    """Start a contender and measure it at each concurrency.

    Raises RuntimeError when it does not start, does not answer, or answers wrongly.
    """
    requests = [peer.request(job, item) for item in items.asked]
    log = files.folder / "logs" / f"{peer.name}-{job}.log".lower()
    found = {}
    with running(peer.launch(job, setting, files), log) as server:
        first = measure_load(server.port, requests, 1, 60.0, count=len(items.expected))
        check(peer, job, first, items.expected)
        measure_load(server.port, requests, max(concurrencies), pace.warm_up_s)
        for concurrency in concurrencies:
            witness, used_s = Witness(server.processor_s), server.processor_s()
            figures = measure_load(server.port, requests, concurrency, pace.seconds)
            cpu_us = (server.processor_s() - used_s) / figures.answers * 1e6
            found[concurrency] = record(figures) | {"cpu_us": cpu_us, "others_share": witness.others_share()}
            check(peer, job, figures, items.expected)
    return found


def check(peer: Peer, job: str, figures: Figures, expected: np.ndarray) -> None:
    """Compare the answers that were kept with the expected ones. Raises RuntimeError."""
    for index, body in figures.bodies.items():
        answer = peer.read(job, body)
        if job == SIMPLE:
            right = np.array_equal(answer, expected[index])
        else:
            cosine = float(answer @ expected[index] / np.linalg.norm(answer) / np.linalg.norm(expected[index]))
            right = answer.shape == expected[index].shape and cosine >= NEAREST_COSINE[job]
        if not right:
            raise RuntimeError(f"{peer.name} answers {job} request {index} wrongly: {body[:200]!r}")


def record(figures: Figures) -> Record:
    """Figures without the bodies."""
    return {name: value for name, value in asdict(figures).items() if name != "bodies"}


def note(line: str) -> None:
    """Say on standard error what is going on; standard output is for the table."""
    print(line, file=sys.stderr, flush=True)
