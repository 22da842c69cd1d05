"""`naiad containerize`: a Dockerfile for the models of a manifest, on Naiad's own image."""

from __future__ import annotations

from pathlib import Path

import click

from naiad import __version__
from naiad.cli.container.dockerfile import ImagePlan, write_files
from naiad.core.errors import InvalidConfiguration


@click.command("containerize")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--bake", is_flag=True, help="Put the models into the image; without it, they are fetched at start.")
@click.option(
    "--image", default=f"naiad:{__version__}", show_default=True, help="Image to build on, such as the -pip variant."
)
@click.option("--force", is_flag=True, help="Replace a Dockerfile that is there.")
def command(folder: Path, bake: bool, image: str, force: bool) -> None:
    """Write a Dockerfile for the models that DIR/naiad.yaml lists.

    Folders that the manifest names must lie in DIR, and are copied into the image. Models of the Hub and of object
    stores are fetched when a container starts; with --bake, those of the Hub are downloaded while the image is built,
    and containers then ask nobody.
    """
    if not image.strip() or any(letter.isspace() for letter in image):
        raise InvalidConfiguration(f"--image: '{image}' is not the name of an image")
    plan = ImagePlan.of(folder, image, is_baked=bake)
    for path in write_files(plan, replaces=force):
        click.echo(f"wrote {path}")
    for hint in plan.hints:
        click.echo(hint)
