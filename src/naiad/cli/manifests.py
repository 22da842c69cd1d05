"""`naiad manifests`: write what Kubernetes needs to run the models of a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from naiad import __version__
from naiad.cli.serve import command as serve
from naiad.cli.sources import MANIFEST
from naiad.core.errors import InvalidConfiguration
from naiad.kubernetes.choices import CACHES, SERVICES, Choices
from naiad.kubernetes.contents import lock_beside, read_contents
from naiad.kubernetes.objects import objects
from naiad.kubernetes.writing import KUSTOMIZATION, image_of_this_version, kustomization, to_yaml
from naiad.loading.fetching import LOCK

_OWN = ("--manifest", "--lock", "--host", "--lame-duck-s", "--drain-timeout-s", "--reload", "--update", "--offline")
"""Options of `naiad serve` that are no further arguments."""

_HEAD = "# Written by naiad manifests {version}.\n"


@click.command("manifests")
@click.argument("manifest", default=MANIFEST, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write into.")
@click.option("--name", default="naiad", show_default=True, help="Name of the server and of its objects.")
@click.option("--namespace", default="", help="Namespace of all objects.  [default: kubectl's]")
@click.option("--image", default=image_of_this_version(), show_default=True, help="Image whose entry point is naiad.")
@click.option("--arg", "args", multiple=True, help="One more argument of `naiad serve`. Can be repeated.")
@click.option("--lock", type=click.Path(path_type=Path), help="Lock file.  [default: naiad.lock next to MANIFEST]")
@click.option("--secret", default="", help="Secret whose keys become environment variables, such as HF_TOKEN.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Environment variable. Can be repeated.")
@click.option("--replicas", default=2, show_default=True, help="Pods, unless they are scaled.")
@click.option("--cpu", default="2", show_default=True, help="Processors that each pod asks for.")
@click.option("--memory", default="2Gi", show_default=True, help="Memory that each pod asks for.")
@click.option("--memory-limit", default="4Gi", show_default=True, help="Memory that no pod may exceed.")
@click.option("--gpus", default=0, show_default=True, help="GPUs of each pod.")
@click.option("--node-selector", multiple=True, metavar="LABEL=VALUE", help="Only these nodes. Can be repeated.")
@click.option(
    "--cache",
    default=CACHES[0],
    show_default=True,
    help="Where models are kept: emptyDir (each pod fetches its own), claim (one for all pods), perPod (one for each).",
)
@click.option("--cache-size", default="20Gi", show_default=True, help="Size of the cache.")
@click.option("--cache-claim", default="", help="A claim that exists, for --cache claim.  [default: one is made]")
@click.option("--storage-class", default="", help="Of the claim that is made.  [default: the cluster's]")
@click.option("--service-type", default=SERVICES[0], show_default=True, help=f"Of the service: {', '.join(SERVICES)}.")
@click.option("--lame-duck-s", default=10, show_default=True, help="Seconds in which load balancers notice a stop.")
@click.option("--drain-timeout-s", default=60, show_default=True, help="Seconds for requests under way.")
@click.option("--grace-s", default=90, show_default=True, help="Seconds after which a pod that stops is killed.")
@click.option("--startup-s", default=1800, show_default=True, help="Seconds for fetching and converting models.")
@click.option("--max-replicas", default=0, help="Scale up to so many pods.  [default: no scaling]")
@click.option("--min-replicas", default=2, show_default=True, help="Scale down to so many.")
@click.option("--target-cpu", default=70, show_default=True, help="Scale by the CPU, in per cent; 0: do not.")
@click.option(
    "--target-pending",
    default=0,
    show_default=True,
    help="Scale by waiting requests of each pod, which needs a metrics adapter or --keda; 0: do not.",
)
@click.option("--keda", default="", metavar="URL", help="Scale by KEDA, which asks the Prometheus at this address.")
@click.option("--network-policy", is_flag=True, help="Close all ports that are not the server's.")
@click.option("--pod-monitor", is_flag=True, help="Have the Prometheus Operator scrape the metrics.")
@click.option("--prometheus-rule", is_flag=True, help="Alerts for the Prometheus Operator.")
def command(
    manifest: Path, out: Path, lock: Path | None, env: tuple[str, ...], node_selector: tuple[str, ...], **chosen: Any
) -> None:
    """Write Kubernetes manifests for the models listed in MANIFEST (default: ./naiad.yaml) into a folder.

    Apply them with `kubectl apply -k FOLDER`. The Helm chart in deploy/helm has further settings.
    """
    _check_args(chosen["args"])
    contents = read_contents(manifest, lock_beside(manifest, lock, LOCK))
    choices = Choices(env=_pairs("--env", env), node_selector=_pairs("--node-selector", node_selector), **chosen)
    missing = [variable for variable in contents.variables if variable not in choices.env]
    if missing and not choices.secret:
        raise InvalidConfiguration(
            f"{manifest.name} takes tokens from {', '.join(missing)}; name the secret that has them: --secret NAME"
        )
    files = {name: to_yaml(documents) for name, documents in objects(choices, contents)}
    files[KUSTOMIZATION] = to_yaml([kustomization(files, choices.namespace)])
    _write(out, files)
    click.echo(f"wrote {len(files)} files; apply them with: kubectl apply -k {out}")
    if "/" not in choices.image:
        click.echo(
            f"naiad: the nodes must have the image {choices.image}; --image names one of a registry of yours", err=True
        )
    if missing:
        click.echo(f"naiad: the secret {choices.secret} must have the keys {', '.join(missing)}", err=True)


def _check_args(args: tuple[str, ...]) -> None:
    """Have `naiad serve` read the arguments. Raises InvalidConfiguration for what it would refuse, and for ours."""
    for word in args:
        option = word.partition("=")[0]
        if option in _OWN or option.endswith("-port"):
            raise InvalidConfiguration(f"--arg {word}: {option} is set by the manifests, as their other parts need it")
    try:
        serve.make_context("serve", list(args))
    except click.UsageError as error:
        raise InvalidConfiguration(f"--arg: naiad serve would refuse this: {error.format_message()}") from error


def _pairs(option: str, pairs: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=VALUE pairs as a mapping. Raises InvalidConfiguration."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, has_value, value = pair.partition("=")
        if not name or not has_value:
            raise InvalidConfiguration(f"{option} {pair}: write NAME=VALUE")
        if name in found:
            raise InvalidConfiguration(f"{option} gives {name} twice")
        found[name] = value
    return found


def _write(out: Path, files: dict[str, str]) -> None:
    """Write all files; what an earlier run has written and this one has not is refused, not left to be applied."""
    head = _HEAD.format(version=__version__)
    try:
        out.mkdir(parents=True, exist_ok=True)
        others = sorted(path.name for path in out.glob("*.yaml") if path.name not in files)
        if others:
            raise InvalidConfiguration(f"{out} has {', '.join(others)} already; remove them, or name a new folder")
        for name, text in files.items():
            (out / name).write_text(head + text)
    except OSError as error:
        raise InvalidConfiguration(f"{out} cannot be written: {error.strerror}") from error
