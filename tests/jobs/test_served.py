"""Jobs over HTTP, on a real server: what clients see, whatever they send."""

from __future__ import annotations

import gzip
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from job_server import ask, body, post, put, put_repeat, tensor

from naiad.testing import RunningServer, running_server

UNKNOWN = "0" * 32


@pytest.fixture
def models(tmp_path: Path) -> str:
    return str(put(put(put_repeat(tmp_path / "models")), "slow", 60_000))


def served(models: str, place: str, **options: Any) -> Any:
    return running_server(models, jobs=place, **{"allow_grpc": False, "drain_timeout_s": 0.1, **options})


def test_a_result_is_what_infer_answers(models: str, place: str) -> None:
    with served(models, place) as server:
        binary_head = json.dumps(
            {
                "id": "i",
                "inputs": [{**tensor("x", [0]), "parameters": {"binary_data_size": 4}}],
                "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
            }
        ).replace(', "data": [0]', "")
        length = {"Inference_Header_Content_Length": str(len(binary_head))}
        cases: list[tuple[bytes, dict[str, str]]] = [
            (body(7), {}),
            (body(7, id="mine", parameters={"binary_data_output": True}), {}),
            (binary_head.encode() + struct.pack("<i", -5), length),
            (struct.pack("<i", 9), {"Inference_Header_Content_Length": "0"}),
            (gzip.compress(body(3)), {"Content_Encoding": "gzip"}),
            (body(1, outputs=[{"name": "nonsense"}]), {}),
            (json.dumps({"inputs": [tensor("x", [1, 2])]}).encode(), {}),
        ]
        for data, headers in cases:
            expected = ask(f"{server.url}/v2/models/same/infer", "POST", data, **headers)
            taken = post(server.url, data, **headers)
            assert (taken.status, taken.json["state"]) == (202, "waiting")
            found = ask(f"{server.url}{taken.headers['Location']}/result?wait_s=30")
            assert (found.status, found.headers["Content-Type"]) == (expected.status, expected.headers["Content-Type"])
            if found.status == 200:
                assert found.raw == expected.raw
            else:
                assert found.error == expected.error
            header = "Inference-Header-Content-Length"
            assert found.headers.get(header) == expected.headers.get(header)


def test_the_flat_form(models: str, place: str) -> None:
    with served(models, place) as server:
        taken = post(server.url, b'{"x": 5, "id": "a"}', form="/generate")
        found = ask(f"{server.url}{taken.headers['Location']}/result?wait_s=30")
        assert found.json == {"id": "a", "model_name": "same", "model_version": "1", "y": 5}


def test_a_decoupled_model_gives_events(models: str, place: str) -> None:
    values = [tensor("IN", [4, 5, 6]), tensor("DELAY", [0, 1, 0], "UINT32"), tensor("WAIT", [0], "UINT32")]
    flat = {"IN": [4, 5, 6], "DELAY": [0, 1, 0], "WAIT": 0}
    with served(models, place) as server:
        for form, data in (("", {"inputs": values}), ("/generate", flat)):
            taken = post(server.url, json.dumps(data).encode(), "repeat", form)
            found = ask(f"{server.url}{taken.headers['Location']}/result?wait_s=30")
            assert found.headers["Content-Type"].startswith("text/event-stream")
            events = [json.loads(line.removeprefix("data: ")) for line in found.raw.decode().split("\n\n") if line]
            assert [event["OUT"] for event in events] == [4, 5, 6]
            assert ask(f"{server.url}{taken.headers['Location']}").json["responses"] == 3


def test_what_cannot_be_run_is_refused_at_once(models: str, place: str) -> None:
    with served(models, place, max_json_depth=10) as server:
        region = {"shared_memory_region": "r", "shared_memory_byte_size": 4}
        in_memory = {"name": "x", "datatype": "INT32", "shape": [1], "parameters": region}
        unreadable: list[tuple[bytes, dict[str, str]]] = [
            (b"", {}),
            (b"[" * 11, {}),
            (b"nonsense", {}),
            (b"{}", {}),
            (body(1), {"Inference_Header_Content_Length": "99999"}),
            (body(1), {"Inference_Header_Content_Length": "x"}),
            (gzip.compress(body(1)), {"Content_Encoding": "br"}),
            (b"no gzip", {"Content_Encoding": "gzip"}),
        ]
        for data, headers in unreadable:
            said, expected = (
                ask(f"{server.url}/v2/models/same/{path}", "POST", data, **headers) for path in ("jobs", "infer")
            )
            assert (said.status, said.error) == (expected.status, expected.error)
        cases: list[tuple[bytes, dict[str, str], int, str]] = [
            (body(1, parameters={"sequence_id": 5}), {}, 501, "cannot be a step of a sequence"),
            (json.dumps({"inputs": [in_memory]}).encode(), {}, 501, "a job cannot use shared memory"),
            (body(1), {"Idempotency_Key": "k" * 256}, 400, "Idempotency-Key must have 1 to 255 characters"),
            (body(1), {"Idempotency_Key": " "}, 400, "Idempotency-Key must have 1 to 255 characters"),
            (body(1), {"Job_Callback": "http://a.example/"}, 400, "makes no callbacks.*--jobs-callback-host"),
        ]
        for data, headers, status, text in cases:
            said = post(server.url, data, **headers)
            assert said.status == status
            assert re.search(text, said.error), said.error
        assert post(server.url, b"{}", "repeat", "/generate").status == 202, "the model will say what is missing"
        assert post(server.url, body(1), "nobody").status == 404
        assert post(server.url, body(1), "same/versions/9").status == 404
        assert ask(f"{server.url}/v2/models/same/jobs").status == 405


@pytest.mark.parametrize("job_id", [UNKNOWN, "0" * 31, "../../x", "%00" * 32, "A" * 5000, "generate"])
def test_an_unknown_id_is_not_found(models: str, tmp_path: Path, job_id: str) -> None:
    with served(models, str(tmp_path / "jobs")) as server:
        url = f"{server.url}/v2/models/same/jobs/{job_id}"
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/result")):
            if job_id != "generate" or path:
                assert ask(url + path, method).status == 404


def test_a_job_is_found_below_its_own_model_alone(models: str, place: str) -> None:
    with served(models, place) as server:
        job_id = post(server.url, body(1)).json["id"]
        assert ask(f"{server.url}/v2/models/same/jobs/{job_id}?wait_s=9").status == 200
        for other in ("slow", "same/versions/1", "nobody"):
            said = ask(f"{server.url}/v2/models/{other}/jobs/{job_id}")
            assert (said.status, "there is no job" in said.error) == (404, True)


@pytest.mark.parametrize("query", ["wait_s=-1", "wait_s=61", "wait_s=nan", "wait_s=", "wait_s=x", "wait=1"])
def test_a_wrong_query_is_refused(models: str, tmp_path: Path, query: str) -> None:
    with served(models, str(tmp_path / "jobs")) as server:
        said = ask(f"{server.url}/v2/models/same/jobs/{UNKNOWN}?{query}")
        assert (said.status, "wait_s" in said.error) == (400, True)


def test_cancelling_what_waits_runs_and_is_over(models: str, place: str) -> None:
    with served(models, place, jobs_at_once=1) as server:
        running, waiting = (post(server.url, body(n), "slow").headers["Location"] for n in range(2))
        until(server, running, "running")
        for path in (waiting, running):
            assert ask(f"{server.url}{path}/result").status == 202
            assert ask(f"{server.url}{path}", "DELETE").json["state"] == "cancelled"
            assert ask(f"{server.url}{path}?wait_s=60").json["state"] == "cancelled"
            said = ask(f"{server.url}{path}/result")
            assert (said.status, said.error) == (400, "the job was cancelled")
            assert ask(f"{server.url}{path}", "DELETE").json["deleted"] is True
            assert ask(f"{server.url}{path}").status == 404
        other = post(server.url, body(3)).headers["Location"]
        assert ask(f"{server.url}{other}/result?wait_s=30").status == 200


def until(server: RunningServer, path: str, state: str) -> None:
    for _ in range(3000):
        if ask(f"{server.url}{path}?wait_s=0.01").json["state"] == state:
            return
    raise AssertionError(f"never {state}")


def test_a_full_store_says_so_and_when_to_ask_again(models: str, place: str) -> None:
    with served(models, place, jobs_max_count=2) as server:
        for _ in range(2):
            assert post(server.url, body(1), "slow").status == 202
        said = post(server.url, body(1))
        assert (said.status, said.headers["Retry-After"]) == (503, "1")
        assert "as many as are kept" in said.error
        (path,) = (row for row in metrics(server) if row.startswith("naiad_jobs_kept"))
        assert path == "naiad_jobs_kept 2"


def metrics(server: RunningServer) -> list[str]:
    """The page after the next tick: jobs that wait are counted then."""
    for _ in range(3000):
        rows = ask(server.metrics_url).raw.decode().splitlines()
        if any(row.startswith("naiad_jobs{") for row in rows):
            return rows
    raise AssertionError("no jobs are counted")


def test_the_metrics_count_what_waits_runs_and_has_ended(models: str, place: str) -> None:
    with served(models, place, jobs_at_once=1) as server:
        done = post(server.url, body(1)).headers["Location"]
        failed = post(server.url, json.dumps({"inputs": [tensor("x", [1, 2])]}).encode()).headers["Location"]
        for path in (done, failed):
            ask(f"{server.url}{path}?wait_s=30")
        first = post(server.url, body(1), "slow").headers["Location"]
        until(server, first, "running")
        post(server.url, body(1), "slow")
        wanted = {
            'naiad_jobs{model="slow",state="waiting"} 1',
            'naiad_jobs{model="slow",state="running"} 1',
            'naiad_jobs_ended_total{model="same",state="done"} 1',
            'naiad_jobs_ended_total{model="same",state="failed"} 1',
            'naiad_jobs_ended_total{model="slow",state="cancelled"} 0',
            'naiad_jobs_accepted_total{model="same"} 2',
            'naiad_jobs_accepted_total{model="slow"} 2',
            'naiad_job_wait_seconds_count{model="same"} 2',
            'naiad_job_run_seconds_bucket{model="same",le="+Inf"} 2',
            'naiad_job_run_seconds_count{model="slow"} 0',
        }
        for _ in range(3000):
            rows = metrics(server)
            if wanted <= set(rows):
                break
        assert wanted <= set(rows)
        assert any(row.startswith('naiad_jobs_oldest_seconds{model="slow"} ') for row in rows)


def test_the_statistics_of_a_model_count_its_jobs(models: str, place: str) -> None:
    with served(models, place, jobs_at_once=1) as server:
        first = post(server.url, body(1), Idempotency_Key="one").headers["Location"]
        assert post(server.url, body(1), Idempotency_Key="one").headers["Location"] == first
        ask(f"{server.url}{first}?wait_s=30")
        slow = post(server.url, body(1), "slow").headers["Location"]
        until(server, slow, "running")
        ask(f"{server.url}{slow}", "DELETE")

        def jobs(model: str) -> Any:
            (row,) = ask(f"{server.url}/v2/models/{model}/stats").json["model_stats"]
            return row["naiad_jobs"]

        same = jobs("same")
        assert {name: same[name] for name in ("accepted", "done", "failed", "cancelled")} == {
            "accepted": 1,
            "done": 1,
            "failed": 0,
            "cancelled": 0,
        }
        assert (same["wait"]["count"], same["run"]["count"], same["run"]["ns"] > 0) == (1, 1, True)
        found = jobs("slow")
        assert (found["accepted"], found["cancelled"], found["run"]) == (1, 1, {"count": 0, "ns": 0})


def test_without_jobs_the_statistics_say_nothing_of_them(models: str) -> None:
    with running_server(models, allow_grpc=False) as server:
        (row,) = ask(f"{server.url}/v2/models/same/stats").json["model_stats"]
    assert "naiad_jobs" not in row


def test_the_same_key_gives_the_same_job(models: str, place: str) -> None:
    with served(models, place) as server:
        first = post(server.url, body(1), Idempotency_Key="order 17")
        again = post(server.url, body(1), Idempotency_Key="order 17")
        assert (again.status, again.json["id"]) == (202, first.json["id"])
        other = post(server.url, body(2), Idempotency_Key="order 17")
        assert (other.status, "has been used for another request" in other.error) == (400, True)


def test_listing_is_closed_unless_it_is_opened(models: str, tmp_path: Path) -> None:
    with served(models, str(tmp_path / "a")) as server:
        said = ask(f"{server.url}/v2/jobs")
        assert (said.status, "--jobs-listing" in said.error) == (501, True)
    with served(models, str(tmp_path / "b"), jobs_listing=True) as server:
        ids = [post(server.url, body(n), name).json["id"] for n, name in enumerate(("same", "slow", "same"))]
        ask(f"{server.url}/v2/models/same/jobs/{ids[2]}?wait_s=30")
        listed = ask(f"{server.url}/v2/jobs?model=same&limit=1").json["jobs"]
        assert [job["id"] for job in listed] == [ids[2]]
        assert {job["id"] for job in ask(f"{server.url}/v2/jobs").json["jobs"]} == set(ids)
        for query, text in (("limit=0", "limit"), ("limit=1001", "limit"), ("state=odd", "state"), ("x=1", "x")):
            said = ask(f"{server.url}/v2/jobs?{query}")
            assert (said.status, text in said.error) == (400, True)


def test_restrictions_hold_for_jobs(models: str, tmp_path: Path) -> None:
    closed = ("inference:key=secret", "model-repository:admin=other")
    with served(models, str(tmp_path / "jobs"), jobs_listing=True, http_restricted_api=closed) as server:
        assert post(server.url, body(1)).status == 403
        taken = post(server.url, body(1), key="secret")
        url = f"{server.url}{taken.headers['Location']}"
        for method, path in (("GET", ""), ("GET", "/result"), ("DELETE", "")):
            assert ask(url + path, method).status == 403
            assert ask(url + path + "?wait_s=9" * (method == "GET"), method, key="secret").status == 200
        assert ask(f"{server.url}/v2/jobs", key="secret").status == 403
        assert ask(f"{server.url}/v2/jobs", admin="other").status == 200


def test_without_the_option_there_are_no_jobs(models: str) -> None:
    with running_server(models, allow_grpc=False) as server:
        for said in (post(server.url, body(1)), ask(f"{server.url}/v2/models/same/jobs/{UNKNOWN}")):
            assert (said.status, "start it with --jobs FOLDER" in said.error) == (501, True)
        assert "naiad_jobs" not in ask(server.metrics_url).raw.decode()


def test_a_job_outlives_its_server_and_waits_for_its_model(models: str, place: str) -> None:
    options = {"model_control_mode": "explicit", "jobs_at_once": 1}
    with served(models, place, load_model=("slow",), **options) as server:
        paths = [post(server.url, body(n), "slow").headers["Location"] for n in range(3)]
        until(server, paths[0], "running")
    put(Path(models), "slow", 0)
    with served(models, place, load_model=("same",), **options) as server:
        assert ask(f"{server.url}{post(server.url, body(9)).headers['Location']}/result?wait_s=30").status == 200
        for path in paths:
            assert ask(f"{server.url}{path}").json["state"] == "waiting"
        assert ask(f"{server.url}/v2/repository/models/slow/load", "POST", b"{}").status == 200
        for n, path in enumerate(paths):
            assert ask(f"{server.url}{path}/result?wait_s=60").json["outputs"][0]["data"] == [n]
            assert ask(f"{server.url}{path}").json["attempts"] == 1, "a server that stops gives its jobs back"


def test_forwarded_headers_are_kept_with_the_job(tmp_path: Path, place: str) -> None:
    put(tmp_path)
    with served(str(tmp_path), place, http_header_forward_pattern="X-.*") as server:
        taken = post(server.url, body(1), X_Mine="1", Other="2")
        assert ask(f"{server.url}{taken.headers['Location']}/result?wait_s=30").status == 200
        refused = post(server.url, body(1), triton_x="1", X_triton="2")
        assert refused.status == 202
