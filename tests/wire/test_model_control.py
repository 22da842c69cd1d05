"""Loading and unloading with the official clients, over both doors alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from control_door import MODELS, Door, put

from naiad.testing import running_server

ONNX = (MODELS / "simple" / "1" / "model.onnx").read_bytes()
INTERNAL = {"http": "500", "grpc": "StatusCode.INTERNAL"}
INVALID = {"http": "400", "grpc": "StatusCode.INVALID_ARGUMENT"}
UNAVAILABLE = {"http": "503", "grpc": "StatusCode.UNAVAILABLE"}
UNSUPPORTED = {"http": "501", "grpc": "StatusCode.UNIMPLEMENTED"}
NOT_FOUND = {"http": "404", "grpc": "StatusCode.NOT_FOUND"}


def test_load_and_unload(door: Door) -> None:
    assert door.index() == {"a": {"1": "READY"}, "b": {"": ""}}
    assert door.client.is_server_ready()
    door.client.load_model("b")
    assert door.client.is_model_ready("b")
    assert door.infer("b").as_numpy("OUTPUT0").tolist() == [[2] * 16]
    door.client.unload_model("b")
    assert not door.client.is_model_ready("b")
    assert door.settled() == {"a": {"1": "READY"}, "b": {"1": "UNAVAILABLE unloaded"}}
    assert door.client.is_server_ready()
    with pytest.raises(Exception, match="Request for unknown model: 'b' has no available versions") as caught:
        door.infer("b")
    assert caught.value.status() == NOT_FOUND[door.kind]
    with pytest.raises(Exception, match="'b' version 1 is not at ready state") as caught:
        door.infer("b", "1")
    assert caught.value.status() == UNAVAILABLE[door.kind]
    door.client.load_model("b")
    assert door.settled()["b"] == {"1": "READY"}
    assert door.client.is_model_ready("b")


def test_models_that_appear_after_the_start_can_be_loaded(door: Door, tmp_path: Path) -> None:
    put(tmp_path, "late")
    assert door.index()["late"] == {"": ""}
    door.client.load_model("late")
    assert door.index()["late"] == {"1": "READY"}


def test_what_cannot_be_polled_is_told_in_exactly_these_words(door: Door, tmp_path: Path) -> None:
    (put(tmp_path, "broken") / "config.pbtxt").write_text('name: "bro')
    put(tmp_path, "wrong").rename(tmp_path / "misnamed")
    for name, parameters in {
        "nope": {},
        "broken": {},
        "misnamed": {},
        "a": {"config": "{"},
        "b": {"config": '{"max_batch_size": -1}'},
        "c": {"config": "{}", "files": {"file:../x": ONNX}},
    }.items():
        words = f"failed to load '{name}', failed to poll from model repository"
        assert door.refused("load_model", name, **parameters) == (INTERNAL[door.kind], words)
    assert door.index() == {"a": {"1": "READY"}, "b": {"": ""}, "broken": {"": ""}, "misnamed": {"": ""}}
    assert door.infer("a")
    assert door.client.is_server_ready()


def test_the_long_file_name_of_the_official_example(door: Door) -> None:
    config = '{"backend": "onnxruntime"}'
    assert door.refused("load_model", "a", config=config, files={"file:" + "a" * 256: ONNX}) == (
        INTERNAL[door.kind],
        "failed to load 'a', failed to poll from model repository",
    )


def test_what_fails_while_loading_is_told(door: Door, tmp_path: Path) -> None:
    folder = put(tmp_path, "half", 1, 2, more="version_policy { all { } }")
    (folder / "1" / "model.onnx").write_text("no graph")
    status, words = door.refused("load_model", "half")
    assert status == INVALID[door.kind]
    assert words.startswith("load failed for model 'half': version 1 is at UNAVAILABLE state: ")
    assert words.rstrip("\n").endswith(";")
    states = door.index()["half"]
    assert states["2"] == "READY"
    assert states["1"].startswith("UNAVAILABLE ")
    assert "no graph" not in states["1"]
    assert not door.client.is_server_ready()
    door.client.unload_model("half")
    assert door.settled()["half"] == {"1": "UNAVAILABLE unloaded", "2": "UNAVAILABLE unloaded"}
    assert door.client.is_server_ready()


def test_no_version_at_all(door: Door, tmp_path: Path) -> None:
    shutil.rmtree(put(tmp_path, "empty") / "1")
    status, words = door.refused("load_model", "empty")
    assert status == INVALID[door.kind]
    assert words.startswith(
        "load failed for model 'empty': at least one version must be available under the version policy of model "
        "'empty'"
    )


@pytest.mark.parametrize("name", ["..", "a/b", "../x", " "])
def test_names_that_lead_elsewhere(door: Door, name: str) -> None:
    status, words = door.refused("load_model", name)
    if door.kind == "http" and "/" in name:
        assert (status, words) == ("404", "Not Found"), "it is no such path"
        return
    assert status == INVALID[door.kind]
    assert words == (
        f"invalid model name '{name}', model name must not contain path traversal characters"
        if name.strip()
        else "Model name cannot be empty. Please enter a valid name to deploy."
    )


def test_what_is_not_loaded_can_be_unloaded(door: Door) -> None:
    for name in ("b", "nope", ".."):
        door.client.unload_model(name)
        door.client.unload_model(name, unload_dependents=True)
    assert door.index() == {"a": {"1": "READY"}, "b": {"": ""}}


def test_a_failed_reload_keeps_what_serves(door: Door, tmp_path: Path) -> None:
    model = tmp_path / "a" / "1" / "model.onnx"
    model.write_text("no graph")
    assert door.refused("load_model", "a")[0] == INVALID[door.kind]
    assert door.infer("a").as_numpy("OUTPUT0").tolist() == [[2] * 16]
    assert door.index()["a"] == {"1": "READY"}
    (tmp_path / "a" / "config.pbtxt").write_text("{")
    assert door.refused("load_model", "a")[0] == INTERNAL[door.kind]
    assert door.infer("a")


def test_a_failed_reload_with_a_new_version_swaps_nothing(door: Door, tmp_path: Path) -> None:
    folder = put(tmp_path, "a", 1, 2, more="version_policy { all { } }")
    (folder / "2" / "model.onnx").write_text("no graph")
    assert door.refused("load_model", "a")[0] == INVALID[door.kind]
    states = door.index()["a"]
    assert states.pop("2").startswith("UNAVAILABLE ")
    assert states == {"1": "READY"}
    assert door.client.get_model_metadata("a") is not None
    (folder / "2" / "model.onnx").write_bytes(ONNX)
    door.client.load_model("a")
    assert door.index()["a"] == {"1": "READY", "2": "READY"}


def test_a_new_version_comes_and_the_old_one_goes(door: Door, tmp_path: Path) -> None:
    put(tmp_path, "a", 2)
    assert door.index()["a"] == {"1": "READY"}
    door.client.load_model("a")
    assert door.settled()["a"] == {"1": "UNAVAILABLE unloaded", "2": "READY"}
    shutil.rmtree(tmp_path / "a" / "2")
    door.client.load_model("a")
    assert door.settled()["a"] == {"1": "READY", "2": "UNAVAILABLE unloaded"}


def test_version_policies_hold_for_reloads(door: Door, tmp_path: Path) -> None:
    for policy, ready in {
        "version_policy { latest { num_versions: 2 } }": {"3", "12"},
        "version_policy { specific { versions: [1, 3, 99] } }": {"1", "3"},
        "version_policy { all { } }": {"1", "3", "12"},
        "": {"12"},
    }.items():
        put(tmp_path, "a", 1, 3, 12, more=policy)
        door.client.load_model("a")
        assert {version for version, state in door.index()["a"].items() if state == "READY"} == ready


def test_versions_that_stay_are_not_loaded_again(door: Door, tmp_path: Path) -> None:
    """Where the policy is another one, or other versions come and go; not where they themselves have changed."""
    find = door.server.server.catalog.find

    def load(*versions: int, more: str, changed: str = "") -> dict[str, object]:
        folder = put(tmp_path, "a", *versions, more=more)
        if changed:
            (folder / changed / "model.onnx").touch()
        door.client.load_model("a")
        return {version: find("a", version) for version in door.server.server.catalog.ready_versions("a")}

    first = load(1, 3, more="version_policy { all { } }")
    door.infer("a", "1")
    second = load(1, 3, 12, more="version_policy { specific { versions: [1, 12] } }")
    assert (second["1"], sorted(second)) == (first["1"], ["1", "12"])
    assert door.config("a")["version_policy"]["specific"]["versions"] in ([1, 12], ["1", "12"])
    assert find("a", "1").statistics.inference_count == 1
    assert door.settled()["a"] == {"1": "READY", "3": "UNAVAILABLE unloaded", "12": "READY"}
    third = load(1, 3, 12, more="version_policy { all { } }", changed="1")
    assert (third["1"] is second["1"], third["12"] is second["12"]) == (False, True)
    fourth = load(1, 3, 12, more="dynamic_batching { }")
    assert fourth["12"] is not third["12"]
    assert door.infer("a", "12")


def test_a_failed_reload_leaves_versions_that_would_stay(door: Door, tmp_path: Path) -> None:
    before = door.server.server.catalog.find("a")
    (put(tmp_path, "a", 1, 2, more="version_policy { all { } }") / "2" / "model.onnx").write_bytes(b"")
    assert "version 2 is at UNAVAILABLE state" in door.refused("load_model", "a")[1]
    assert door.server.server.catalog.find("a") is before
    assert door.infer("a", "1")


def test_a_load_of_what_is_gone_leaves_what_is_loaded(door: Door, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "a")
    assert door.refused("load_model", "a")[0] == INTERNAL[door.kind]
    assert door.settled() == {"a": {"1": "READY"}, "b": {"": ""}}
    assert door.infer("a")
    door.client.unload_model("a")
    with pytest.raises(Exception, match="'a' has no available versions"):
        door.infer("a")


def test_a_load_of_what_is_there_twice_leaves_what_is_loaded(kind: str, tmp_path: Path) -> None:
    sources = [put(tmp_path / place, name).parent for place, name in (("one", "a"), ("two", "b"))]
    with running_server(*map(str, sources), model_control_mode="explicit", load_model=("a",)) as server:
        door = Door(kind, server)
        put(tmp_path / "two", "a")
        words = "failed to load 'a', failed to poll from model repository"
        assert door.refused("load_model", "a") == (INTERNAL[kind], words)
        assert door.infer("a")
        assert door.client.is_server_ready()
        assert door.index()["a"] == {"": "UNAVAILABLE model appears in two or more repositories"}
        shutil.rmtree(tmp_path / "one" / "a")
        door.client.load_model("a")
        assert door.settled()["a"] == {"1": "READY"}


def test_a_new_version_folder_is_seen_while_it_is_empty(door: Door, tmp_path: Path) -> None:
    (tmp_path / "a" / "2").mkdir()
    status, words = door.refused("load_model", "a")
    assert status == INVALID[door.kind]
    assert words.startswith("load failed for model 'a': version 2 is at UNAVAILABLE state: ")
    assert door.infer("a", "1")
    (tmp_path / "a" / "2").rmdir()
    door.client.load_model("a")
    assert door.infer("a")


def test_a_configuration_replaces_the_files_until_they_change(door: Door, tmp_path: Path) -> None:
    door.client.load_model("a", config='{"max_batch_size":"16"}')
    config = door.config("a")
    assert int(config["max_batch_size"]) == 16
    assert [tensor["name"] for tensor in config["input"]] == ["INPUT0", "INPUT1"], "the model file told the rest"
    given = door.server.server.catalog.find("a")
    door.client.load_model("a")
    assert door.server.server.catalog.find("a") is given
    (tmp_path / "a" / "1" / "model.onnx").touch()
    door.client.load_model("a")
    assert int(door.config("a")["max_batch_size"]) == 8


def test_a_configuration_that_is_refused_leaves_the_one_given_before(door: Door) -> None:
    door.client.load_model("a", config='{"max_batch_size": 16}')
    door.refused("load_model", "a", config='{"max_batch_size": -1}')
    door.client.load_model("a")
    assert int(door.config("a")["max_batch_size"]) == 16


def test_a_model_that_was_unloaded_is_read_from_its_files(door: Door) -> None:
    door.client.load_model("a", config='{"max_batch_size": 16}')
    door.client.unload_model("a")
    door.client.load_model("a")
    assert int(door.config("a")["max_batch_size"]) == 8


def test_files_replace_the_folder_until_the_next_load(door: Door, tmp_path: Path) -> None:
    put(tmp_path, "a", 1, 3)
    config = json.dumps({"backend": "onnxruntime", "max_batch_size": 4})
    door.client.load_model("a", config=config, files={"file:7/model.onnx": ONNX})
    assert door.settled()["a"] == {"1": "UNAVAILABLE unloaded", "7": "READY"}
    assert door.infer("a").as_numpy("OUTPUT0").tolist() == [[2] * 16]
    door.client.load_model("a")
    assert door.settled()["a"] == {"1": "UNAVAILABLE unloaded", "3": "READY", "7": "UNAVAILABLE unloaded"}


def test_a_model_of_uploaded_files_only(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setattr("naiad.loading.uploads._own_folder", lambda: uploads)
    door.client.load_model("new", config='{"backend": "onnxruntime"}', files={"file:1/model.onnx": ONNX})
    assert door.infer("new")
    assert len(list(uploads.iterdir())) == 1
    door.client.unload_model("new")
    assert door.settled()["new"] == {"1": "UNAVAILABLE unloaded"}
    assert list(uploads.iterdir()) == []
    assert door.refused("load_model", "new", config='{"backend": "onnxruntime"}', files={"file:1/model.onnx": b"x"})
    assert list(uploads.iterdir()) == []
    assert door.refused("load_model", "new")[0] == INTERNAL[door.kind]


def test_code_is_not_taken_over_the_network(door: Door) -> None:
    status, words = door.refused("load_model", "a", config='{"backend": "python"}', files={"file:1/model.py": b""})
    assert status == UNSUPPORTED[door.kind]
    assert "--allow-code-upload" in words
    assert door.infer("a")


def test_statistics_begin_anew_and_metrics_leave_with_the_model(door: Door, tmp_path: Path) -> None:
    from urllib.request import urlopen

    def metrics() -> str:
        with urlopen(door.server.metrics_url) as response:
            return str(response.read().decode())

    door.infer("a")
    assert 'nv_inference_request_success{model="a",version="1"} 1' in metrics()
    put(tmp_path, "a", 1, more="version_policy { all { } }\n")
    door.client.load_model("a")
    assert 'nv_inference_request_success{model="a",version="1"} 1' in metrics(), "the version is as it was"
    put(tmp_path, "a", 1, more="dynamic_batching { }\n")
    door.client.load_model("a")
    assert 'nv_inference_request_success{model="a",version="1"} 0' in metrics()
    assert 'nv_model_load_duration_secs{model="a",version="1"}' in metrics()
    door.client.unload_model("a")
    assert 'model="a"' not in metrics()
    assert door.refused("get_inference_statistics", "a") == (INVALID[door.kind], "requested model 'a' is not available")


def test_an_unchanged_model_is_not_loaded_again(door: Door) -> None:
    before = door.server.server.catalog.find("a")
    door.client.load_model("a")
    assert door.server.server.catalog.find("a") is before
    door.client.load_model("a", config='{"max_batch_size": 8}')
    assert door.server.server.catalog.find("a") is not before


@pytest.mark.parametrize("mode", ["none", "poll"])
def test_only_explicit_mode_takes_orders(kind: str, mode: str, tmp_path: Path) -> None:
    put(tmp_path, "a")
    with running_server(str(tmp_path), model_control_mode=mode) as server:
        door = Door(kind, server)
        for call in ("load_model", "unload_model"):
            assert door.refused(call, "a") == (
                UNAVAILABLE[kind],
                "explicit model load / unload is not allowed if polling is enabled",
            )
        assert door.infer("a")


def test_the_same_name_in_two_repositories(kind: str, tmp_path: Path) -> None:
    for place in ("one", "two"):
        put(tmp_path / place, "twice")
        put(tmp_path / place, place)
    sources = [str(tmp_path / "one"), str(tmp_path / "two")]
    with running_server(*sources, model_control_mode="explicit", load_model=("one",)) as server:
        door = Door(kind, server)
        assert door.index() == {
            "one": {"1": "READY"},
            "two": {"": ""},
            "twice": {"": "UNAVAILABLE model appears in two or more repositories"},
        }
        assert door.client.is_server_ready(), "nobody asked for it"
        assert door.refused("load_model", "twice")[0] == INTERNAL[kind]
        door.client.load_model("two")
        shutil.rmtree(tmp_path / "two" / "twice")
        door.client.load_model("twice")
        assert door.index()["twice"] == {"1": "READY"}
