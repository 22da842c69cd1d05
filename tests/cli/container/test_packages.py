"""ENABLE_PIP_INSTALL: a package is installed once, found afterwards, and cannot change what the image has."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from naiad.cli.container.packages import install
from naiad.core.errors import NaiadError
{before}
try:
    install(Path(sys.argv[1]))
except NaiadError as error:
    sys.exit(error.message)
import subprocess
code = "import made_for_this_test; print(made_for_this_test.WORD)"
exec(code)
subprocess.run([sys.executable, "-c", code], check=True)
"""


def wheel(folder: Path, name: str = "made_for_this_test", needs: str = "") -> Path:
    """A package with one module."""
    info = f"{name}-1.0.dist-info"
    needed = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": "WORD = 'there'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needed}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name_, text in files.items():
            archive.writestr(name_, text)
    return path


def run(requirements: Path, cache: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before), str(requirements)],
        env={**os.environ, "NAIAD_CACHE": str(cache), "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_package_is_installed_once_and_found_here_and_in_other_processes(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"{wheel(tmp_path)}\n")
    first = run(requirements, tmp_path / "cache")
    assert (first.returncode, first.stdout) == (0, "there\nthere\n"), first.stderr
    assert first.stderr.startswith(f"naiad: installing the packages of {requirements}\n")
    second = run(requirements, tmp_path / "cache")
    assert (second.returncode, second.stdout, second.stderr) == (0, "there\nthere\n", "")
    (folder,) = (tmp_path / "cache" / "python").iterdir()
    assert sorted(path.name for path in folder.glob("made*")) == [
        "made_for_this_test-1.0.dist-info",
        "made_for_this_test.py",
    ]


def test_the_images_own_packages_keep_their_versions(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"{wheel(tmp_path, needs='numpy<2')}\n")
    done = run(requirements, tmp_path / "cache")
    assert done.returncode == 1
    assert "numpy" in done.stderr
    assert f"pip could not install the packages of {requirements} (status 1)" in done.stderr
    assert list((tmp_path / "cache" / "python").iterdir()) == [], "nothing is left, so that the next start tries again"


def test_without_pip_it_is_refused_with_the_fix(tmp_path: Path) -> None:
    hides_pip = "import naiad.cli.container.packages as packages; packages.find_spec = lambda name: None"
    done = run(tmp_path / "requirements.txt", tmp_path, hides_pip)
    assert done.returncode == 1
    assert "this image has no pip: use the image naiad:" in done.stderr


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "cache").write_text("a file")
    done = run(tmp_path / "requirements.txt", tmp_path / "cache")
    assert done.returncode == 1
    assert "packages cannot be installed in" in done.stderr
