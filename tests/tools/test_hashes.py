"""Which files of a version carry their hashes, and how these are written."""

from __future__ import annotations

import pytest
from hashes import needed_hashes, with_hashes
from pins import Pin, read_pins

PURE = {"a-1-py3-none-any.whl": "sha256:pure", "a-1.tar.gz": "sha256:source"}
MACHINES = {
    f"a-1-cp311-abi3-{platform}.whl": f"sha256:{platform}"
    for platform in (
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "manylinux_2_28_aarch64",
        "macosx_11_0_arm64",
    )
}
OTHERS = {
    "a-1-cp311-abi3-win_amd64.whl": "sha256:windows",
    "a-1-cp311-abi3-musllinux_1_2_x86_64.whl": "sha256:musl",
    "a-1-pp311-pypy311_pp73-manylinux_2_17_x86_64.whl": "sha256:pypy",
    "a-1-cp313-cp313t-manylinux_2_17_x86_64.whl": "sha256:threads",
    "a-1-cp39-cp39-manylinux_2_17_x86_64.whl": "sha256:old",
}


def test_a_wheel_for_everything_is_enough() -> None:
    assert needed_hashes(PURE | OTHERS) == ["sha256:pure"]


def test_the_wheels_of_what_we_support_and_no_others() -> None:
    assert needed_hashes(MACHINES | OTHERS | {"a-1.tar.gz": "sha256:source"}) == sorted(MACHINES.values())


def test_the_source_where_a_machine_has_no_wheel() -> None:
    files = MACHINES | {"a-1.tar.gz": "sha256:source"}
    del files["a-1-cp311-abi3-macosx_11_0_arm64.whl"]
    assert "sha256:source" in needed_hashes(files)
    del files["a-1.tar.gz"]
    assert needed_hashes(files) == sorted(files.values()), "nothing can be installed there"
    with pytest.raises(ValueError, match="neither a wheel for any Python and machine, nor a source: a-1-cp3"):
        needed_hashes(OTHERS)


def test_pins_comments_and_order_stay_and_old_hashes_go() -> None:
    text = '# of this file\n-r base.txt\nb==2 \\\n    --hash=sha256:old\n# why\nA_x==1; python_version < "3.12"\n'
    hashes = {"b": ["sha256:1", "sha256:2"], "a-x": ["sha256:3"]}
    written = with_hashes(text, hashes)
    assert written == (
        "# of this file\n-r base.txt\nb==2 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n# why\n"
        'A_x==1; python_version < "3.12" \\\n    --hash=sha256:3\n'
    )
    assert with_hashes(written, hashes) == written
    assert list(read_pins(written)) == [
        Pin("b", "b==2", ("sha256:1", "sha256:2")),
        Pin("a-x", 'A_x==1; python_version < "3.12"', ("sha256:3",)),
    ]
    assert [pin.version for pin in read_pins(written)] == ["2", "1"]
