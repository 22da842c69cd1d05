"""Rolling updates under load: `python tests/deploy/kubernetes/rolling.py --stops 10 --requests 20000`.

Two pods of the rendered Deployment; one after the other is replaced while clients keep connections, make new ones and
call over gRPC, behind a real Envoy and direct. No request may be lost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2] / "soak")]

from kubelet import Kubelet, wait_until
from traffic import DirectLoad, Endpoints, Load, envoy

from naiad.kubernetes.choices import Choices
from naiad.kubernetes.contents import Contents
from naiad.kubernetes.objects import objects

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
START_S = 120.0
SETTLES_S = 1.0
"""Between two stops."""
CHOICES = Choices(image="naiad:test", lame_duck_s=2, drain_timeout_s=20, grace_s=30, startup_s=120)


def deployment(choices: Choices, manifest: str) -> dict[str, object]:
    """The Deployment that is written for a manifest."""
    files = dict(objects(choices, Contents(manifest)))
    return files["deployment.yaml"][0]


def folders_of(folder: Path, manifest: str) -> dict[str, Path]:
    """What stands for the mount paths of a pod, with the ConfigMap in its place."""
    found = {path: folder / name for path, name in {"/etc/naiad": "etc", "/cache": "cache", "/tmp": "tmp"}.items()}  # noqa: S108
    for each in found.values():
        each.mkdir()
    (found["/etc/naiad"] / "naiad.yaml").write_text(manifest)
    return found


def roll(stops: int, requests: int, *, is_direct: bool) -> dict[str, Counter[str]]:
    """Replace so many pods, and go on until there were so many requests; gives what became of them."""
    manifest = f"models:\n  - source: {SIMPLE}\n"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoints = Endpoints(folder)
        stack.callback(endpoints.close)
        kubelet = Kubelet(deployment(CHOICES, manifest), folder, folders_of(folder, manifest), endpoints.publish)
        stack.callback(kubelet.close)
        wait_until(lambda: len(endpoints.ports["http"]) == CHOICES.replicas, START_S, lambda: kubelet.pods[0].log)
        load = DirectLoad(endpoints) if is_direct else Load(*stack.enter_context(envoy(endpoints, folder)))
        try:
            for _ in range(stops):
                old = kubelet.pods[0]
                time.sleep(SETTLES_S)
                kubelet.replace(old, START_S)
                if old.was_killed or old.status:
                    raise SystemExit(f"a pod did not stop cleanly: {old.status}\n{old.log[-5000:]}")
            wait_until(lambda: total(load.counts) >= requests, 600)
        finally:
            load.stop()
    return load.counts


def total(counts: dict[str, Counter[str]]) -> int:
    return sum(sum(each.values()) for each in counts.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--requests", type=int, default=20_000)
    given = parser.parse_args()
    is_good = True
    for is_direct in (False, True):
        began_s = time.monotonic()
        counts = roll(given.stops, given.requests, is_direct=is_direct)
        for name, each in counts.items():
            is_good &= set(each) == {"answered"}
            told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(each.items()))
            sys.stdout.write(f"{'direct' if is_direct else 'behind Envoy'}, {name}: {told}\n")
        took_s = time.monotonic() - began_s
        sys.stdout.write(f"{given.stops} stops, {total(counts)} requests, {took_s:.0f} s\n")
    if not is_good:
        raise SystemExit("requests were lost")


if __name__ == "__main__":
    main()
