"""Both clients leave jobs with a real server: submitted, waited for, cancelled, fetched, found again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from job_server import put, put_repeat

from naiad import AsyncClient, Client, errors
from naiad.testing import RunningServer, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("clients")
    models = put(put(put_repeat(folder / "models")), "slow", 60_000)
    with running_server(str(models), jobs=str(folder / "jobs"), allow_grpc=False, drain_timeout_s=0.1) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.address) as opened:
        yield opened


def test_the_result_is_that_of_infer(client: Client) -> None:
    job = client.submit("same", {"x": np.array([5], np.int32)}, request_id="mine")
    result = job.result(timeout_s=60)
    assert (result.y.tolist(), result.id, job.status().state) == ([5], "mine", "done")
    again = client.job("same", job.id)
    assert again.result().y.tolist() == [5]
    assert (again.cancel().state, job.wait) == ("done", job.wait)
    with pytest.raises(errors.NotFound):
        again.status()


def test_all_answers_of_a_decoupled_model(client: Client) -> None:
    inputs = {"IN": np.arange(3, dtype=np.int32), "DELAY": np.zeros(3, np.uint32), "WAIT": np.zeros(1, np.uint32)}
    job = client.submit("repeat", inputs)
    assert [result.OUT.tolist() for result in job.results(timeout_s=60)] == [[0], [1], [2]]
    assert job.status().responses == 3
    with pytest.raises(errors.Unsupported, match="has 3 answers, not one"):
        job.result()


def test_errors_are_those_of_infer(client: Client) -> None:
    wrong = client.submit("same", {"x": np.array([5], np.int32)}, outputs=["nonsense"])
    assert (wrong.wait(60).state, "nonsense" in wrong.status().error) == ("failed", True)
    with pytest.raises(errors.InvalidRequest, match="nonsense"):
        wrong.result()
    with pytest.raises(errors.InvalidRequest, match="no input"):
        client.submit("same", {"z": [1]})
    with pytest.raises(errors.NotFound):
        client.submit("nobody", {"x": [1]})
    with pytest.raises(errors.InvalidRequest, match="makes no callbacks"):
        client.submit("same", {"x": [1]}, callback="http://a.example/")


def test_waiting_has_a_limit_and_a_job_goes_on(client: Client) -> None:
    job = client.submit("slow", {"x": [1]})
    with pytest.raises(errors.DeadlineExceeded, match=r"after 0\.1 s; it goes on"):
        job.wait(timeout_s=0.1)
    assert not job.status().is_over
    assert job.cancel().state == "cancelled"
    assert job.wait(60).is_over
    with pytest.raises(errors.Cancelled, match="the job was cancelled"):
        job.result()


def test_a_key(client: Client) -> None:
    first, second = (client.submit("same", {"x": [1]}, key="order 17") for _ in range(2))
    assert first.id == second.id
    with pytest.raises(errors.InvalidRequest, match="has been used"):
        client.submit("same", {"x": [2]}, key="order 17")


def test_the_async_twin(server: RunningServer) -> None:
    async def run() -> list[int]:
        async with AsyncClient(server.address) as client:
            jobs = await asyncio.gather(*(client.submit("same", {"x": [n]}) for n in range(20)))
            results = await asyncio.gather(*(job.result(timeout_s=60) for job in jobs))
            assert (await client.job("same", jobs[0].id).status()).state == "done"
            return [int(result.y[0]) for result in results]

    assert asyncio.run(run()) == list(range(20))


def test_a_server_without_jobs(tmp_path: Path) -> None:
    refused = pytest.raises(errors.Unsupported, match="start it with --jobs")
    with running_server(str(put(tmp_path)), allow_grpc=False) as other, Client(other.address) as client, refused:
        client.submit("same", {"x": [1]})
