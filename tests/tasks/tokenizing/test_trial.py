"""A tokenizer that the library dies of is an error of its model; it is tried where that harms nobody, and once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import LoadFailed
from naiad.core.machine.child import Ended
from naiad.tasks.tokenizing.loading import load_tokenizer
from naiad.tasks.tokenizing.trial import trying
from naiad.tasks.tokenizing.trial.growth import check_growth
from naiad.tasks.tokenizing.trial.trying import begin_trial

DIES = """
import json, os, signal, sys
order = json.loads(sys.stdin.read())
{}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trying, "_lived_through", set())
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "model")


def write(folder: Path, **parts: Any) -> Path:
    """A tokenizer.json of words."""
    folder.mkdir(exist_ok=True)
    document = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"},
        **parts,
    }
    (folder / "tokenizer.json").write_text(json.dumps(document))
    return folder


def replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def sequence(*steps: Any) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(steps)}


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """`dying("os.abort()")`: the name of a module that does so in place of a trial."""

    def make(statement: str) -> str:
        (tmp_path / "dying_tokenizer.py").write_text(DIES.format(statement))
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        return "dying_tokenizer"

    return make


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()", "was ended by SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("sys.exit(3)", "ran out of memory"),
        ("raise ValueError('odd')", r"ended with status 1 \(ValueError: odd\)"),
    ],
)
def test_how_it_died_is_said_in_words(
    folder: Path, dying: Callable[[str], str], cache: Path, statement: str, words: str
) -> None:
    trial = begin_trial(folder, has_class=True, child=dying(statement))
    with pytest.raises(LoadFailed, match=rf"the tokenizer in .*model cannot be used: its first run.*{words}.*keep"):
        trial.result()
    assert not (cache / trying.TRIED).exists()


def test_one_that_takes_too_long_is_ended(folder: Path, dying: Callable[[str], str], monkeypatch: Any) -> None:
    monkeypatch.setattr(trying, "LEAST_S", 0.1)
    trial = begin_trial(folder, has_class=True, child=dying("import time; time.sleep(600)"))
    with pytest.raises(LoadFailed, match="did not finish within 0 s"):
        trial.result()


def test_a_normalizer_that_takes_all_memory_costs_its_own_model(
    tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the rules do not foresee ends the trial's process, and no other."""
    monkeypatch.setattr(trying, "check_growth", lambda *_: None)
    folder = write(tmp_path / "model", normalizer=sequence(*[replace("a", "aa")] * 60))
    with pytest.raises(LoadFailed, match=r"the tokenizer in .* cannot be used: its first run, in a process of its own"):
        load_tokenizer(folder, make_spec())


def test_the_same_files_are_tried_once_wherever_they_lie(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []

    def run(module: str, order: str, *, seconds: float) -> Ended:
        runs.append(order)
        return Ended(0, "", "")

    monkeypatch.setattr(trying, "run_child", run)
    for _ in range(2):
        begin_trial(folder, has_class=True).result()
    begin_trial(write(tmp_path / "copy"), has_class=True).result()
    monkeypatch.setattr(trying, "_lived_through", set())  # as after a new start
    begin_trial(folder, has_class=True).result()
    assert len(runs) == 1
    begin_trial(folder, has_class=False).result()
    (folder / "special_tokens_map.json").write_text("{}")
    begin_trial(folder, has_class=True).result()
    assert len(runs) == 3


def test_a_trial_that_is_under_way_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    may_end, runs = threading.Event(), []

    def run(module: str, order: str, *, seconds: float) -> Ended:
        runs.append(order)
        may_end.wait(60)
        return Ended(0, "", "")

    monkeypatch.setattr(trying, "run_child", run)
    first, second = (begin_trial(folder, has_class=True) for _ in range(2))
    assert first is second
    may_end.set()
    first.result()
    assert len(runs) == 1


def test_a_good_tokenizer_lives_through_its_trial(folder: Path, cache: Path, make_spec: Any) -> None:
    tokenizer = load_tokenizer(folder, make_spec())
    assert tokenizer.bare_ids(["a"])[0].tolist() == [1]
    assert len(list((cache / trying.TRIED).iterdir())) == 1


@pytest.mark.parametrize(
    "part",
    [
        None,
        replace(" ", "▁"),
        sequence(replace("``", '"'), replace("''", '"'), {"type": "NFKD"}, {"type": "NFKC"}, {"type": "Lowercase"}),
        sequence(*[replace(old, new) for old, new in zip("äöü", ("ae", "oe", "ue"), strict=True)]),
        sequence(sequence({"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"))),
        {"type": "Sequence", "normalizers": "none"},
        "none",
    ],
)
def test_usual_steps_make_no_text_too_long(part: Any) -> None:
    check_growth(Path("tokenizer.json"), {"normalizer": part})


@pytest.mark.parametrize("part", ["normalizer", "decoder"])
@pytest.mark.parametrize(
    "steps",
    [
        [replace("a", "aa")] * 40,
        [replace("a", "a" * 101)],
        [{"type": "Sequence", "normalizers": [replace("a", "aa")] * 20, "decoders": [replace("a", "aa")] * 20}] * 2,
        [replace("a", "\ufdfa"), {"type": "NFKC"}, replace(" ", "\ufdfa"), {"type": "NFKC"}] * 20,
        [{"type": "Replace", "pattern": {"Regex": "."}, "content": "abcdefghijk"}] * 2,
        [{"type": "Replace", "pattern": {"Regex": "(?=q)"}, "content": "q"}] * 20,
        [{"type": "Prepend", "prepend": "a" * 100}, replace("a", "a" * 10)],
    ],
)
def test_steps_that_feed_each_other_are_refused_before_they_run(part: str, steps: list[Any]) -> None:
    document = {part: {"type": "Sequence", f"{part}s": steps}}
    with pytest.raises(LoadFailed, match=rf"tokenizer\.json: the replacements of its {part} can make a text more than"):
        check_growth(Path("tokenizer.json"), document)
