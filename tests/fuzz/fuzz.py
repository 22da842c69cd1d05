"""Fuzz every target for a while: `python tests/fuzz/fuzz.py --seconds 60 [TARGET …]`.

With atheris (coverage-guided; requirements/fuzz.txt) where it can be had, with mutations of the seeds elsewhere; always
with the same seed, so that a finding can be had again. It is written to tests/fuzz/found/TARGET: mend it, and
move the file to tests/fuzz/corpus/TARGET, which the tests run from then on.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
FOUND = HERE / "found"
LONGEST_INPUT_BYTES = 4096
SLOWEST_INPUT_S = 20
MOST_MEMORY_MIB = 2048


def main() -> int:
    """Run the targets one after the other; returns how many had findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="mutations only, even where there is atheris")
    parser.add_argument("--child", choices=("atheris", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    has_atheris = importlib.util.find_spec("atheris") is not None and not options.plain
    if options.child:
        run = with_atheris if options.child == "atheris" else with_mutations
        return run(options.targets[0], options.seconds, options.seed)
    sys.path.insert(0, str(HERE))
    from targets import TARGETS

    wrong = 0
    for name in options.targets or TARGETS:
        kind = "atheris" if has_atheris else "plain"
        print(f"== {name}: {options.seconds:g} s, {kind}", flush=True)
        own = [__file__, "--child", kind, "--seconds", str(options.seconds), "--seed", str(options.seed), name]
        done = subprocess.run([sys.executable, *own], timeout=options.seconds + 120, check=False)
        wrong += bool(done.returncode)
    print(f"{wrong} targets with findings" if wrong else "nothing found")
    return wrong


def load(name: str) -> tuple[Callable[[bytes], None], list[bytes]]:
    """Return a target and its seeds."""
    sys.path.insert(0, str(HERE))
    from seeds import seeds
    from targets import TARGETS

    return TARGETS[name], seeds(name)


def with_atheris(name: str, seconds: float, seed: int) -> int:
    """Let coverage guide. libFuzzer writes what it finds and ends the process."""
    import atheris  # type: ignore[import-not-found, unused-ignore]  # has no types, and is not everywhere

    with atheris.instrument_imports(include=["naiad"]):
        target, examples = load(name)
    (FOUND / name).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for at, data in enumerate(examples):
            (Path(folder) / f"seed-{at}").write_bytes(data)
        settings = {
            "max_total_time": int(seconds), "seed": seed, "max_len": LONGEST_INPUT_BYTES, "timeout": SLOWEST_INPUT_S,
            "rss_limit_mb": MOST_MEMORY_MIB, "artifact_prefix": f"{FOUND / name}/", "print_final_stats": 1,
            "verbosity": 0,
        }  # fmt: skip
        arguments = [f"-{key}={value}" for key, value in settings.items()]
        atheris.Setup([sys.argv[0], *arguments, folder], target)
        atheris.Fuzz()
    return 0


def with_mutations(name: str, seconds: float, seed: int) -> int:
    """Change seeds at random."""
    target, examples = load(name)
    from mutation import mutated_by

    end_s = time.monotonic() + seconds
    number = seed << 32
    while time.monotonic() < end_s:
        number += 1
        data = mutated_by(number, examples)
        began_s = time.monotonic()
        try:
            target(data)
        except Exception:  # noqa: BLE001 — any is a finding
            traceback.print_exc()
            return keep(name, data, f"mutation {number}")
        if time.monotonic() - began_s > SLOWEST_INPUT_S:
            return keep(name, data, f"mutation {number} took {time.monotonic() - began_s:.0f} s")
    print(f"{number - (seed << 32)} inputs")
    return 0


def keep(name: str, data: bytes, what: str) -> int:
    """Write down a finding."""
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / what.replace(" ", "-")
    path.write_bytes(data)
    print(f"found: {path}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
