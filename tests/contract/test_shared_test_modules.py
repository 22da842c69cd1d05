"""What tests share is imported by its bare name from folders on sys.path, so that no two of these modules are alike."""

from __future__ import annotations

from collections import defaultdict

from source import ROOT

TESTS = ROOT / "tests"


def test_no_two_folders_that_share_modules_have_one_of_the_same_name() -> None:
    sharing = {
        conftest.parent for conftest in TESTS.rglob("conftest.py") if "Path(__file__).parent)" in conftest.read_text()
    }
    sharing |= {TESTS / "soak"}  # put there by those who use it
    homes = defaultdict(list)
    for folder in sharing:
        for path in folder.glob("*.py"):
            if not path.name.startswith("test_") and path.name != "conftest.py":
                homes[path.stem].append(str(folder.relative_to(ROOT)))
    assert {name: sorted(folders) for name, folders in homes.items() if len(folders) > 1} == {}
