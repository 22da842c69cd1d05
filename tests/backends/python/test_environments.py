"""Models that bring their Python along: a folder, an archive, a list of requirements; and archives that must not be."""

from __future__ import annotations

import io
import shutil
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from naiad.backends.python.environments.archive import check
from naiad.backends.python.environments.choosing import PARAMETER
from naiad.backends.python.variables import worker_variables
from naiad.core.errors import LoadFailed

from .conftest import Code, answer, request_of, value

WHERE = """
    import sys
    import triton_python_backend_utils as pb_utils
    import numpy as np
    {more}

    class TritonPythonModel:
        def execute(self, requests):
            said = np.array([[sys.prefix.encode(), str({said}).encode()]], object)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", said)]) for _ in requests]
"""
OUTPUT = [{"name": "y", "data_type": "TYPE_STRING", "dims": [1, 2]}]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment of this Python, which finds this one's numpy."""
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    packages = next((folder / "lib").glob("python3*/site-packages"))
    (packages / "numpy.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder


def parameters(path: str) -> dict[str, dict[str, str]]:
    return {PARAMETER: {"string_value": path}}


def said(code: Code, source: str, **fields: object) -> list[str]:
    instance = code.load(source, output=OUTPUT, **fields)
    return [one.decode() for one in value(answer(instance, request_of()))[0]]


def test_a_folder_with_another_python(code: Code, environment: Path) -> None:
    source = WHERE.format(more="", said="np.__name__")
    assert said(code, source, parameters=parameters(str(environment))) == [str(environment), "numpy"]


def test_a_folder_beside_the_model(code: Code, environment: Path) -> None:
    (code.folder / "env").symlink_to(environment)
    source = WHERE.format(more="", said="1")
    found = said(code, source, parameters=parameters("$$TRITON_MODEL_DIRECTORY/env"))
    assert Path(found[0]).resolve() == environment


def test_an_archive(code: Code, environment: Path, cache: Path) -> None:
    archive = code.folder / "env.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(environment, ".")
    source = WHERE.format(more="", said="1")
    (prefix, _) = said(code, source, parameters=parameters("$$TRITON_MODEL_DIRECTORY/env.tar.gz"))
    assert Path(prefix).parent == cache / "python-environments"
    code.load_all(source, output=OUTPUT, parameters=parameters(str(archive)))
    assert len(list((cache / "python-environments").glob("*.whole"))) == 1


UNPACK = """
import sys
from pathlib import Path
root = Path(__file__).parent.parent
assert Path(sys.executable).parent.parent == root, sys.executable
place = root / "prefix.txt"
assert place.read_text() == "/the/old/prefix", "it has been unpacked before"
place.write_text(str(root))
{more}
"""
"""What conda-pack puts into an archive: it writes the folder's new name over the old one."""


def packed(environment: Path, archive: Path, more: str = "") -> None:
    """An archive as conda-pack makes it."""
    (environment / "prefix.txt").write_text("/the/old/prefix")
    (environment / "bin" / "conda-unpack").write_text(UNPACK.format(more=more))
    with tarfile.open(archive, "w:gz") as made:
        made.add(environment, ".")


def test_an_archive_that_has_to_know_its_place(code: Code, environment: Path, cache: Path) -> None:
    """conda-unpack runs once, in the environment's own Python, and before any worker."""
    packed(environment, code.folder / "env.tar.gz")
    source = WHERE.format(more="from pathlib import Path", said="Path(sys.prefix, 'prefix.txt').read_text()")
    for _ in range(2):
        prefix, told = said(code, source, parameters=parameters("$$TRITON_MODEL_DIRECTORY/env.tar.gz"))
        assert prefix == told
    assert Path(prefix).parent == cache / "python-environments"


def test_an_archive_that_cannot_be_put_into_its_place(code: Code, environment: Path, cache: Path) -> None:
    """Nothing of it is kept, and the next attempt begins anew."""
    packed(environment, code.folder / "env.tar.gz", "sys.exit('there is no room')")
    for _ in range(2):
        with pytest.raises(LoadFailed, match=r"env\.tar\.gz cannot be unpacked: conda-unpack: there is no room"):
            code.load(WHERE.format(more="", said="1"), parameters=parameters(str(code.folder / "env.tar.gz")))
    assert list((cache / "python-environments").glob("*/")) == []


@pytest.mark.parametrize(
    ("path", "told"),
    [("/nowhere", "nowhere cannot be unpacked"), ("$$TRITON_MODEL_DIRECTORY/1", "there is no bin/python in")],
)
def test_what_is_no_environment(code: Code, path: str, told: str) -> None:
    with pytest.raises(LoadFailed, match=told):
        code.load(WHERE.format(more="", said="1"), parameters=parameters(path))


def test_what_is_no_archive(code: Code, cache: Path) -> None:
    (code.folder / "env.tar.gz").write_bytes(b"nonsense")
    with pytest.raises(LoadFailed, match=r"env\.tar\.gz cannot be unpacked: "):
        code.load(WHERE.format(more="", said="1"), parameters=parameters("$$TRITON_MODEL_DIRECTORY/env.tar.gz"))
    assert list((cache / "python-environments").glob("*/")) == []


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "bad",
    [
        member("../x"),
        member("a/../../x"),
        member("/etc/passwd"),
        member("x", tarfile.SYMTYPE, "/etc/passwd"),
        member("x", tarfile.SYMTYPE, "../x"),
        member("a/x", tarfile.SYMTYPE, "../../x"),
        member("x", tarfile.LNKTYPE, "../x"),
        member("x", tarfile.LNKTYPE, "/etc/passwd"),
        member("x", tarfile.CHRTYPE),
        member("x", tarfile.FIFOTYPE),
    ],
    ids=lambda one: f"{one.name} {one.linkname}",
)
def test_members_that_lead_out_of_an_archive(bad: tarfile.TarInfo) -> None:
    with pytest.raises(tarfile.TarError):
        check(bad)


@pytest.mark.parametrize("good", [member("./a/b"), member("a/x", tarfile.SYMTYPE, "../b"), member("a/..b")])
def test_members_that_stay(good: tarfile.TarInfo) -> None:
    check(good)


def test_links_that_lead_out_only_together(code: Code, tmp_path: Path) -> None:
    """Each name is fine, but the second link is followed to above the folder when the file is written."""
    archive = code.folder / "env.tar"
    with tarfile.open(archive, "w") as made:
        made.addfile(member("s", tarfile.SYMTYPE, "."))
        made.addfile(member("t", tarfile.SYMTYPE, "s/s/../.."))
        content = member("t/escaped")
        content.size = 1
        made.addfile(content, io.BytesIO(b"x"))
    with pytest.raises(LoadFailed, match="leads out of the archive"):
        code.load(WHERE.format(more="", said="1"), parameters=parameters(str(archive)))
    assert list(tmp_path.rglob("escaped")) == []


def wheel(folder: Path) -> None:
    """A package without dependencies, as pip installs it."""
    with zipfile.ZipFile(folder / "made_up_package-1.0-py3-none-any.whl", "w") as made:
        made.writestr("made_up_package.py", "VALUE = 42\n")
        information = "made_up_package-1.0.dist-info"
        made.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: made-up-package\nVersion: 1.0\n")
        made.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{information}/RECORD", "")


def test_requirements_are_installed_once(
    code: Code, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no uv: it knows no PIP_NO_INDEX
    (code.version / "requirements.txt").write_text("made-up-package==1.0\n")
    source = WHERE.format(more="import made_up_package", said="made_up_package.VALUE")
    prefix, told = said(code, source)
    assert told == "42"
    assert Path(prefix).parent == cache / "python-environments"
    assert prefix != sys.prefix
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert said(code, source) == [prefix, "42"]
    (code.version / "requirements.txt").write_text("made-up-package==2.0\n")
    with pytest.raises(LoadFailed, match=r"requirements\.txt cannot be installed: .*made-up-package==2\.0"):
        code.load(source)


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")
def test_requirements_by_uv(code: Code, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by pip: installed once, beside the server's packages; what cannot be had is told."""
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    wanted = f"--no-index\n--find-links {tmp_path / 'wheels'}\nmade-up-package=="
    (code.version / "requirements.txt").write_text(wanted + "1.0\n")
    source = WHERE.format(more="import made_up_package", said="made_up_package.VALUE")
    prefix, told = said(code, source)
    assert told == "42"
    assert Path(prefix).parent == cache / "python-environments"
    assert "uv = " in (Path(prefix) / "pyvenv.cfg").read_text()
    (tmp_path / "wheels" / "made_up_package-1.0-py3-none-any.whl").unlink()
    assert said(code, source) == [prefix, "42"]
    (code.version / "requirements.txt").write_text(wanted + "2.0\n")
    with pytest.raises(LoadFailed, match=r"requirements\.txt cannot be installed: .*made-up-package"):
        code.load(source)


def test_variables_that_look_like_secrets() -> None:
    given = {
        "PATH": "/bin", "HF_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "MYSQL_PASSWORD": "x", "GITHUB_AUTH": "x",
        "DATABASE": "postgres://user:word@host/x", "MODEL_URL": "https://host/x", "NAIAD_HTTP_PORT": "1", "LANG": "C",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    assert worker_variables(given, {}).keys() == {"PATH", "MODEL_URL", "LANG", "OMP_NUM_THREADS"}
    passed = worker_variables(given, {"environment": "HF_TOKEN DATABASE NOTHING"})
    assert passed.keys() == {"PATH", "MODEL_URL", "LANG", "OMP_NUM_THREADS", "HF_TOKEN", "DATABASE"}
