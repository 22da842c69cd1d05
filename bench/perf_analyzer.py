"""Triton's own load generator, perf_analyzer, unmodified: found, started against a server, read.

The binary comes in tritonclient's wheel for Linux on x86-64. It is linked against CUDA's runtime, which is a wheel too
and needs no GPU, and against libb64, which is only a Debian package: taken out of the package here where the system
does not have it, which needs no root.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from environment import ROOT, make_environment

WINDOWS = 3
"""perf_analyzer measures at least three windows and answers their mean; with this `-s` it never asks for more."""


class DidNotEnd(RuntimeError):
    """It waits for an answer that a crashed server owes, or goes on asking, as it now and then does at 32 over HTTP.

    It then goes on for a minute and more, against Triton as against Naiad, and all that it asks is answered.
    """


@dataclass(frozen=True)
class PerfAnalyzer:
    """The binary and where its libraries are."""

    binary: Path
    libraries: tuple[Path, ...]

    def run(self, arguments: Sequence[str], within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is. Raises DidNotEnd when there is none: a lost server makes it wait."""
        env = os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, self.libraries))}
        argv = [str(self.binary), *arguments]
        try:
            return subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=within_s)
        except subprocess.TimeoutExpired as error:
            raise DidNotEnd(f"perf_analyzer {' '.join(arguments)} did not end within {within_s:.0f} s") from error

    def measure(self, model: str, port: int, options: Sequence[str], concurrency: int, seconds: float) -> dict:
        """Rate and latencies of one model at one concurrency, `seconds` in all. Raises RuntimeError with its words."""
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.csv"
            arguments = ["-m", model, "-u", f"127.0.0.1:{port}", "--concurrency-range", str(concurrency), *options]
            arguments += [
                "-p",
                str(round(seconds / WINDOWS * 1000)),
                "-s",
                "999",
                "-r",
                str(WINDOWS),
                "-f",
                str(report),
            ]
            done = self.run(arguments, 15 + 2 * seconds)
            if done.returncode or not report.exists():
                words = (done.stderr + done.stdout).strip()[-800:]
                raise RuntimeError(f"perf_analyzer {' '.join(arguments[:-2])}: {words}")
            return read_report(report.read_text())


def read_report(text: str) -> dict[str, float]:
    """The one line of perf_analyzer's CSV report. Raises RuntimeError when there was no answer to count."""
    (row,) = csv.DictReader(text.splitlines())
    rate = float(row["Inferences/Second"])
    if rate <= 0:
        raise RuntimeError("perf_analyzer got no answers")
    return {
        "per_second": rate,
        "p50_ms": float(row["p50 latency"]) / 1000,
        "p99_ms": float(row["p99 latency"]) / 1000,
    }


def prepare_perf_analyzer() -> PerfAnalyzer:
    """Make its environment if need be. Raises RuntimeError naming what is missing and how to get it."""
    folder = make_environment("perf-analyzer", ROOT / "requirements" / "bench-perf-analyzer.txt")
    binary = folder / "bin" / "perf_analyzer"
    if not binary.exists():
        raise RuntimeError(
            f"{binary} is not there: tritonclient's wheel has it for Linux on x86-64 only; leave out the section "
            "'protocol' with --only"
        )
    (cuda,) = folder.glob("lib/python3*/site-packages/nvidia/cuda_runtime/lib")
    tool = PerfAnalyzer(binary, (cuda, folder / "debian"))
    if tool.run(["--version"]).returncode:
        _unpack_libb64(folder / "debian")
    tried = tool.run(["--version"])
    if tried.returncode:
        raise RuntimeError(f"perf_analyzer does not start: {tried.stderr.strip()}")
    return tool


def _unpack_libb64(target: Path) -> None:
    """Put libb64.so.0d into a folder without installing it."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            _call(["apt-get", "download", "libb64-0d"], folder)
            (package,) = Path(folder).glob("libb64-0d*.deb")
            _call(["dpkg-deb", "--extract", package.name, "."], folder)
            target.mkdir(exist_ok=True)
            for library in Path(folder).glob("usr/lib/*/libb64.so*"):
                shutil.copy(library, target / library.name)
    except (OSError, ValueError, RuntimeError) as error:
        raise RuntimeError(
            f"perf_analyzer needs libb64.so.0d, and Debian's package of it cannot be had ({error}); install it: "
            "apt-get install libb64-0d (after apt-get update), or leave out the section 'protocol' with --only"
        ) from error


def _call(argv: list[str], folder: str) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()[-300:]}")
