"""Ensembles and their parts as they come, change and go: in the three modes, through a control and real models."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from control_fixture import Fixture
from writing import chain, ensemble, part, step, write

from naiad.core.errors import Failed, LoadFailed, NotFound
from naiad.core.message import InferRequest
from naiad.core.tensor import Tensor
from naiad.serving.engine import Engine

PIPE = ensemble(chain("p:at", "p:tb"))
OVER = ensemble(step("e", {"a": "a"}, {"b": "b"}))


async def ask(server: Fixture, name: str = "e", shape: tuple[int, ...] = (2,)) -> list[Any]:
    request = InferRequest(
        name, inputs={"a": Tensor("a", "INT32", np.arange(np.prod(shape), dtype=np.int32).reshape(shape))}
    )
    response = await Engine(server.catalog).infer(request)
    answer: list[Any] = response.outputs[0].data.tolist()
    return answer


async def test_an_ensemble_waits_at_start_for_parts_that_load_longer(repository: Path) -> None:
    write(repository, "a_first", OVER)
    write(repository, "e", PIPE)
    write(repository, "p", part(more='parameters { key: "creation_delay_sec" value { string_value: "1" } }'))
    async with Fixture(repository) as server:
        assert server.all_loaded
        assert await server.states() == {"a_first/1": "READY", "e/1": "READY", "p/1": "READY"}
        assert await ask(server, "a_first") == [0, 1]
        assert server.catalog.is_ready


async def test_one_that_cannot_serve_says_why_and_the_others_serve(repository: Path) -> None:
    write(repository, "p", part())
    write(repository, "e", PIPE)
    write(repository, "bad", ensemble(chain("nope:ab")))
    async with Fixture(repository) as server:
        assert not server.all_loaded
        reason = "UNAVAILABLE ensemble bad contains models that are not available or ambiguous: nope"
        assert await server.states() == {"bad/1": reason, "e/1": "READY", "p/1": "READY"}
        assert not server.catalog.is_ready
        with pytest.raises(NotFound, match="'bad' has no available versions: ensemble bad contains models"):
            await ask(server, "bad")


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no such model": (
        {"e": ensemble(chain("nope:at", "no:tb"))},
        "ensemble e contains models that are not available or ambiguous: no, nope",
    ),
    "no such version": (
        {"e": ensemble(step("p", {"X": "a"}, {"Y": "b"}, 7)), "p": part()},
        "ensemble 'e' depends on 'p' whose required version 7 is not loaded.",
    ),
    "itself": (
        {"e": ensemble(step("e", {"a": "a"}, {"b": "b"}))},
        "circular dependency between ensembles: e -> ... -> e -> e",
    ),
    "each other": (
        {"e": ensemble(step("f", {"a": "a"}, {"b": "b"})), "f": ensemble(step("e", {"a": "a"}, {"b": "b"}))},
        "circular dependency between ensembles: e -> ... -> f -> e",
    ),
    "one that is not valid": (
        {"e": ensemble(step("f", {"a": "a"}, {"b": "b"})), "f": ensemble(chain("nope:ab"))},
        (
            "ensemble 'e' depends on 'f' which is not valid. Model 'f' failed with error: ensemble f contains models "
            "that are not available or ambiguous: nope"
        ),
    ),
    "other datatypes": (
        {"e": ensemble(chain("p:ab")), "p": part(datatype="FP32")},
        (
            "in ensemble e, ensemble tensor a: inconsistent data type: TYPE_INT32 is inferred from model e while "
            "TYPE_FP32 is inferred from model p"
        ),
    ),
    "a part that cannot be loaded": (
        {"e": ensemble(chain("p:ab")), "p": part(backend="none_such")},
        (
            "ensemble 'e' depends on 'p' which has no loaded version. Model 'p' loading failed with error: version 1 "
            "is at UNAVAILABLE state: there is no backend 'none_such'"
        ),
    ),
    "more answers, and a cache": (
        {
            "e": ensemble(chain("p:ab"), rows=2, more="response_cache { enable: true }", dims="1"),
            "p": part(8, "1", more="model_transaction_policy { decoupled: true }"),
        },
        (
            "Response Cache does not currently support model e with 'decoupled' transaction policy. Please disable the "
            "response cache."
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_made_of_its_parts_is_refused_in_tritons_words(repository: Path, name: str) -> None:
    models, words = WRONG[name]
    for model, text in models.items():
        write(repository, model, text)
    async with Fixture(repository, model_control_mode="explicit") as server:
        with pytest.raises(LoadFailed) as caught:
            await server.load("e")
    assert caught.value.message.startswith(f"load failed for model 'e': {words}")
    assert caught.value.message.endswith("\n")


async def test_too_many_runs_for_one_request_are_refused(repository: Path) -> None:
    write(repository, "e0", ensemble(chain("p:ab")))
    write(repository, "p", part())
    for level in range(1, 14):
        inner = f"e{level - 1}"
        write(
            repository, f"e{level}", ensemble(step(inner, {"a": "a"}, {"b": "t"}) + step(inner, {"a": "t"}, {"b": "b"}))
        )
    async with Fixture(repository) as server:
        states = await server.states()
    assert states["e12/1"] == "READY"
    assert states["e13/1"] == "UNAVAILABLE ensemble 'e13' would run 8192 models for one request; 4096 are allowed"


async def test_loading_an_ensemble_loads_its_parts_and_theirs(repository: Path) -> None:
    write(repository, "p", part())
    write(repository, "e", PIPE)
    write(repository, "o", OVER)
    write(repository, "other", part())
    async with Fixture(repository, model_control_mode="explicit") as server:
        await server.load("o")
        assert await server.states() == {"e/1": "READY", "o/1": "READY", "p/1": "READY"}
    async with Fixture(repository, model_control_mode="explicit", load_model=("o",)) as server:
        assert server.all_loaded
        assert await ask(server, "o") == [0, 1]


async def test_a_part_that_cannot_be_looked_at_is_no_success_of_the_load(repository: Path) -> None:
    write(repository, "p", part())
    write(repository, "e", PIPE)
    async with Fixture(repository, model_control_mode="explicit", load_model=("e",)) as server:
        (repository / "p" / "config.pbtxt").write_text("{")
        with pytest.raises(Failed, match="failed to load 'e', failed to poll from model repository"):
            await server.load("e")
        assert await ask(server) == [0, 1]


async def test_an_ensemble_follows_its_part(repository: Path) -> None:
    write(repository, "p", part())
    write(repository, "e", PIPE)
    write(repository, "o", OVER)
    async with Fixture(repository, model_control_mode="explicit", load_model=("o",)) as server:
        await server.unload("p")
        gone = dict.fromkeys(("e/1", "o/1", "p/1"), "UNAVAILABLE unloaded")
        assert await server.states() == gone
        assert server.catalog.is_ready, "somebody wanted it so"
        await server.load("p")
        assert await server.states() == dict.fromkeys(gone, "READY")
        write(repository, "p", part(datatype="FP32"))
        await server.load("p")
        states = await server.states()
        assert states["p/1"] == "READY"
        assert states["e/1"].startswith("UNAVAILABLE in ensemble e, ensemble tensor a: inconsistent data type")
        assert states["o/1"].startswith("UNAVAILABLE ensemble 'o' depends on 'e' which is not valid.")
        assert not server.catalog.is_ready
        write(repository, "p", part(4))
        await server.load("p")
        assert await server.states() == dict.fromkeys(gone, "READY")


async def test_a_new_version_of_a_part_is_taken_unless_the_step_names_another(repository: Path) -> None:
    write(repository, "p", part(more="version_policy { all { } }"), 1)
    write(repository, "e", ensemble(chain("p:ab")))
    write(repository, "old", ensemble(step("p", {"X": "a"}, {"Y": "b"}, 1)))
    async with Fixture(repository, model_control_mode="explicit", load_model=("e", "old")) as server:
        first = server.catalog.find("e"), server.catalog.find("old")
        (repository / "p" / "2").mkdir()
        await server.load("p")
        newer = server.catalog.find("e"), server.catalog.find("old")
        assert [model._ensemble.parts[0].version for model in newer] == ["2", "1"]  # type: ignore[attr-defined]
        assert newer[0] is not first[0]
        write(repository, "p", part(more="version_policy { specific { versions: [ 2 ] } }"), 2)
        await server.load("p")
        assert (await server.states())["old/1"] == (
            "UNAVAILABLE ensemble 'old' depends on 'p' whose required version 1 is not loaded."
        )


async def test_a_new_form_that_does_not_suit_its_parts_leaves_the_old_one(repository: Path) -> None:
    """Triton would have none then."""
    write(repository, "p", part())
    write(repository, "e", PIPE)
    async with Fixture(repository, model_control_mode="explicit", load_model=("e",)) as server:
        write(repository, "e", ensemble(chain("p:ab"), datatype="FP32"))
        for _ in range(2):
            with pytest.raises(LoadFailed, match="inconsistent data type"):
                await server.load("e")
        assert await ask(server) == [0, 1]
        write(repository, "e", ensemble(chain("p:ab")))
        await server.load("e")
        assert len(server.catalog.find("e")._ensemble.parts) == 1  # type: ignore[attr-defined]


async def test_loading_again_what_failed_tries_again(repository: Path) -> None:
    write(repository, "e", PIPE)
    async with Fixture(repository, model_control_mode="explicit") as server:
        for _ in range(2):
            with pytest.raises(LoadFailed, match="not available or ambiguous: p"):
                await server.load("e")
        write(repository, "p", part())
        await server.load("e")
        assert await ask(server) == [0, 1]


@pytest.mark.parametrize(("asked", "left"), [(("e",), set()), (("e", "p"), {"p/1"}), (("e", "f"), {"f/1", "p/1"})])
async def test_what_was_loaded_for_an_ensemble_alone_goes_with_it(
    repository: Path, asked: tuple[str, ...], left: set[str]
) -> None:
    write(repository, "p", part())
    write(repository, "e", PIPE)
    write(repository, "f", PIPE)
    async with Fixture(repository, model_control_mode="explicit", load_model=asked) as server:
        await server.unload("e", with_dependents=True)
        assert {name for name, state in (await server.states()).items() if state == "READY"} == left


async def test_what_an_ensemble_was_made_of_stays_without_that_word(repository: Path) -> None:
    write(repository, "p", part())
    write(repository, "e", PIPE)
    async with Fixture(repository, model_control_mode="explicit", load_model=("e",)) as server:
        await server.unload("e")
        assert await server.states() == {"e/1": "UNAVAILABLE unloaded", "p/1": "READY"}


async def test_poll_mode_follows_the_folders(repository: Path) -> None:
    write(repository, "e", PIPE)
    async with Fixture(repository, model_control_mode="poll", repository_poll_s=3600.0) as server:
        assert not server.all_loaded
        write(repository, "p", part())
        await server.control.look_again()
        assert await ask(server) == [0, 1]
        write(repository, "p", part(datatype="FP32"))
        write(repository, "e", ensemble(chain("p:ab"), datatype="FP32"))
        await server.control.look_again()
        assert await server.states() == {"e/1": "READY", "p/1": "READY"}
        write(repository, "e", PIPE)
        await server.control.look_again()
        assert server.catalog.find("e").config.inputs[0].datatype == "FP32", (
            "a new form that suits nothing is not taken"
        )
        shutil.rmtree(repository / "p")
        await server.control.look_again()
        assert await server.states() == {"e/1": "UNAVAILABLE unloaded", "p/1": "UNAVAILABLE unloaded"}
        shutil.rmtree(repository / "e")
        await server.control.look_again()
        assert server.catalog.is_ready


async def test_a_configuration_may_come_with_the_load(repository: Path) -> None:
    write(repository, "p", part())
    write(repository, "q", part())
    write(repository, "e", PIPE)
    async with Fixture(repository, model_control_mode="explicit") as server:
        tensor = '"data_type": "TYPE_INT32", "dims": [-1]'
        await server.load(
            "e",
            f'{{"platform": "ensemble", "input": [{{"name": "a", {tensor}}}], "output": [{{"name": "b", {tensor}}}], '
            '"ensemble_scheduling": {"step": [{"model_name": "q", "model_version": -1, "input_map": {"X": "a"}, '
            '"output_map": {"Y": "b"}}]}}',
        )
        assert await server.states() == {"e/1": "READY", "q/1": "READY"}
        assert await ask(server) == [0, 1]


async def test_an_ensemble_needs_no_version_folder(repository: Path) -> None:
    """Git keeps no empty folders; Triton wants one all the same."""
    write(repository, "p", part())
    shutil.rmtree(write(repository, "e", PIPE) / "1")
    async with Fixture(repository) as server:
        assert await server.states() == {"e/1": "READY", "p/1": "READY"}


async def test_labels_are_those_of_the_parts_unless_it_has_its_own(repository: Path) -> None:
    labelled = part().replace('name: "Y"', 'name: "Y" label_filename: "labels.txt"')
    write(repository, "p", labelled)
    (repository / "p" / "labels.txt").write_text("cat\ndog\n")
    write(
        repository,
        "e",
        ensemble(chain("p:ab", "p:ac"), outputs="bc").replace('name: "c"', 'name: "c" label_filename: "own.txt"'),
    )
    (repository / "e" / "own.txt").write_text("bird\n")
    async with Fixture(repository) as server:
        assert server.catalog.find("e").labels == {"b": ["cat", "dog"], "c": ["bird"]}


async def test_the_configuration_says_whether_there_may_be_several_answers(repository: Path) -> None:
    write(repository, "p", part(8, "1"))
    write(repository, "d", part(8, "1", more="model_transaction_policy { decoupled: true }"))
    write(repository, "e", ensemble(chain("p:ab"), rows=8, dims="1"))
    write(repository, "s", ensemble(chain("d:at", "p:tb"), rows=8, dims="1"))
    async with Fixture(repository) as server:
        for name, expected in (("e", False), ("s", True)):
            config = server.catalog.find(name).config
            assert (config.is_decoupled, config.document["model_transaction_policy"]) == (
                expected,
                {"decoupled": expected},
            )


async def test_requests_survive_that_a_part_is_loaded_again_under_them(repository: Path) -> None:
    write(repository, "p", part(more='parameters { key: "execute_delay_ms" value { string_value: "30" } }'))
    write(repository, "e", PIPE)
    async with Fixture(repository, model_control_mode="explicit", load_model=("e",)) as server:
        asked = [asyncio.ensure_future(ask(server)) for _ in range(3)]
        await asyncio.sleep(0)
        write(repository, "p", part())
        await server.load("p")
        assert await ask(server) == [0, 1]
        assert await asyncio.gather(*asked) == [[0, 1]] * 3
        assert await server.states() == {"e/1": "READY", "p/1": "READY"}
