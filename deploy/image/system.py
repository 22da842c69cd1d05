"""Fill a folder with the image's operating system: single Debian packages, unpacked. Runs where the image is built.

    python3 system.py contents.toml ROOT

No package's scripts run, so what they would have made is made here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from trees import compile_all, remove, run, settle

USERS = "root:x:0:0:root:/root:/sbin/nologin\nnaiad:x:65532:0:Naiad:/cache:/sbin/nologin\n"
GROUP = "root:x:0:\nnaiad:x:65532:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"


def main(contents: Path, root: Path) -> None:
    """Fill ROOT."""
    table = tomllib.loads(contents.read_text())["system"]
    root.mkdir()
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    downloads = Path("/tmp/packages")
    downloads.mkdir()
    as_root = ("-o", "APT::Sandbox::User=root")
    subprocess.run(["apt-get", "download", "-qq", *as_root, *table["packages"]], cwd=downloads, check=True)
    archives = sorted(downloads.glob("*.deb"))
    for archive in archives:
        _unpack(archive, root)
    if len(archives) != len(table["packages"]):
        sys.exit(f"{len(table['packages'])} packages were asked for, {len(archives)} came")
    _configure(root)
    remove(root, table["remove"])
    for folder in sorted((path for path in root.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    for link in [path for path in root.iterdir() if path.is_symlink() and not path.exists()]:
        link.unlink()
    for name, mode in (("tmp", 0o1777), ("run", 0o755), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
    compile_all(root, "usr/lib/python3.11")
    run("ldconfig", "-X", "-r", root)
    (root / "var/cache/ldconfig/aux-cache").unlink(missing_ok=True)
    settle(root)


def _unpack(archive: Path, root: Path) -> None:
    """Unpack files, and what dpkg would record: scanners look for it."""
    files = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", str(root)], input=files, check=True)
    fields = subprocess.run(["dpkg-deb", "--field", str(archive)], capture_output=True, text=True, check=True).stdout
    name = next(line.partition(": ")[2] for line in fields.splitlines() if line.startswith("Package: "))
    record = root / "var/lib/dpkg/status.d" / name
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("Status: install ok installed\n" + fields)


def _configure(root: Path) -> None:
    """Do what the packages' scripts do."""
    etc = root / "etc"
    (etc / "passwd").write_text(USERS)
    (etc / "group").write_text(GROUP)
    (etc / "nsswitch.conf").write_text(NSSWITCH)
    (etc / "ld.so.conf").write_text("include /etc/ld.so.conf.d/*.conf\n")
    # The certificates of the package, not those that the machine that builds may have beside them.
    certificates = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    (etc / "ssl/certs").mkdir(parents=True, exist_ok=True)
    (etc / "ssl/certs/ca-certificates.crt").write_text("".join(path.read_text() for path in certificates))
    shutil.rmtree(root / "usr/share/ca-certificates")
    (root / "usr/lib/ssl").mkdir(parents=True, exist_ok=True)
    if not (root / "usr/lib/ssl/cert.pem").exists():
        (root / "usr/lib/ssl/cert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
