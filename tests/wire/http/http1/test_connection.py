"""One HTTP/1.1 connection: what is read, what is answered, in which order, and when it ends."""

from __future__ import annotations

import asyncio
import socket

import pytest
from door import OK, POST, Door

from naiad.core.settings.features import Feature
from naiad.protocol.limits import Limits
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.listener import HttpListener
from naiad.wire.http.routes import Router, route


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_request_arrives_whole_however_it_is_cut(piece: int) -> None:
    door = Door()
    assert door.send(POST, piece) == OK
    (exchange,) = door.exchanges
    assert (exchange.method, exchange.url, exchange.body) == (b"POST", b"/x?q=1", b"hello")
    assert exchange.headers[b"x-thing"] == b"1, 2"


def test_chunked_bodies() -> None:
    door = Door()
    door.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert door.exchanges[0].body == b"abcde"


def test_pipelined_answers_leave_in_the_order_of_the_requests_in_one_write() -> None:
    door = Door(answers=False)
    door.send(POST * 3)
    first, second, third = door.exchanges
    third.answer(200, b"3")
    second.answer(200, b"2")
    assert door.wire.written == []
    first.answer(200, b"1")
    assert len(door.wire.written) == 1
    assert [part[-1:] for part in door.wire.text.split(b"HTTP/1.1 200 OK")[1:]] == [b"1", b"2", b"3"]


def test_only_the_first_answer_counts() -> None:
    door = Door(answers=False)
    door.send(POST)
    door.exchanges[0].answer(200, b"hello")
    door.exchanges[0].fail(500, "late")
    assert door.wire.text == OK


@pytest.mark.parametrize("status", [429, 503])
def test_what_will_be_better_later_says_when(status: int) -> None:
    door = Door(answers=False)
    door.send(POST)
    door.exchanges[0].fail(status, "later")
    assert b"\r\nRetry-After: 1\r\n" in door.wire.text


def test_errors_are_v2_error_objects() -> None:
    door = Door(answers=False)
    door.send(POST)
    door.exchanges[0].fail(404, 'no "x"')
    assert door.wire.text.startswith(b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n")
    assert door.wire.text.endswith(b'{"error":"no \\"x\\""}')


def test_connection_close_is_honoured() -> None:
    door = Door()
    assert b"Connection: close\r\n" in door.send(POST.replace(b"Host", b"Connection: close\r\nHost"))
    assert door.wire.closed


def test_http_1_0_closes() -> None:
    door = Door()
    door.send(b"GET / HTTP/1.0\r\n\r\n")
    assert door.wire.closed


def test_http_1_0_is_kept_when_it_asks_and_is_told_so() -> None:
    door = Door()
    for _ in range(2):
        answer = door.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"Connection: keep-alive\r\n" in answer
    assert not door.wire.closed


def test_expect_continue() -> None:
    door = Door(answers=False)
    head, _, body = POST.replace(b"Host", b"Expect: 100-continue\r\nHost").partition(b"\r\n\r\n")
    assert door.send(head + b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    door.send(body)
    assert door.exchanges[0].body == b"hello"


def test_leave_to_send_a_body_comes_after_the_answers_before_it() -> None:
    door = Door(answers=False)
    head, _, body = POST.replace(b"Host", b"Expect: 100-continue\r\nHost").partition(b"\r\n\r\n")
    assert door.send(POST * 2 + head + b"\r\n\r\n") == b""
    door.exchanges[0].answer(200, b"first")
    assert door.wire.text.endswith(b"first")
    door.exchanges[1].answer(200, b"other")
    assert door.wire.text.endswith(b"other" + b"HTTP/1.1 100 Continue\r\n\r\n")
    assert door.wire.reading
    door.send(body)
    door.exchanges[2].answer(200, b"third")
    assert door.wire.text.endswith(b"third")
    assert door.send(head + b"\r\n\r\n").endswith(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("answers_at", [0, 1])
def test_a_client_that_does_not_wait_for_leave_gets_none(answers_at: int) -> None:
    """It sends the body together with the head, or a moment later."""
    door = Door(answers=False)
    head, _, body = POST.replace(b"Host", b"Expect: 100-continue\r\nHost").partition(b"\r\n\r\n")
    for piece in ([POST, head + b"\r\n\r\n" + body], [POST + head + b"\r\n\r\n" + body])[answers_at]:
        door.send(piece)
    door.exchanges[0].answer(200, b"hello")
    door.exchanges[1].answer(200, b"hello")
    assert door.wire.text == OK * 2
    assert door.wire.reading
    assert door.send(POST) == OK * 2
    door.exchanges[2].answer(200, b"hello")
    assert door.wire.text == OK * 3


async def test_a_client_that_is_done_with_sending_gets_its_answers_however_long_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("naiad.wire.http.http1.probe._PAUSE_S", 0)
    door = Door(answers=False)
    door.send(POST * 2 + POST[:30])
    assert door.connection.eof_received()
    while len(door.wire.written) < len(b"HTTP/1.1 "):  # noqa: ASYNC110 - the loop's next turn
        await asyncio.sleep(0)
    assert (door.wire.text, door.wire.closed) == (b"HTTP/1.1 ", False)
    door.exchanges[0].answer(200, b"hello")
    assert not door.wire.closed
    await asyncio.sleep(0)
    door.exchanges[1].answer(200, b"hello")
    assert door.wire.text == OK * 2
    assert (door.wire.closed, door.wire.aborted) == (True, False)


def test_a_client_that_is_done_and_owed_nothing_is_let_go() -> None:
    door = Door()
    door.send(POST + POST[:30])
    assert not door.connection.eof_received()


async def test_a_client_that_is_gone_is_told_from_one_that_is_only_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end looks the same, but it resets the connection when something is sent to it."""
    monkeypatch.setattr("naiad.wire.http.http1.probe._PAUSE_S", 0.001)
    gone, arrived = asyncio.Event(), asyncio.Semaphore(0)
    running: list[Exchange] = []

    def dispatch(exchange: Exchange) -> None:
        exchange.on_abandon = gone.set
        running.append(exchange)
        arrived.release()

    listener = HttpListener(dispatch, Limits())
    await listener.open(("127.0.0.1",), 0, "--http-port")
    try:
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.sendall(POST)
            await arrived.acquire()
        await asyncio.wait_for(gone.wait(), 20)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(POST)
        writer.write_eof()
        await arrived.acquire()
        assert await asyncio.wait_for(reader.readexactly(2), 20) == b"HT"
        running[1].answer(200, b"hello")
        assert b"HT" + await asyncio.wait_for(reader.read(), 20) == OK
        writer.close()
    finally:
        await listener.close()


def test_a_client_that_leaves_cancels_what_it_asked_for() -> None:
    door = Door(answers=False)
    door.send(POST * 2)
    cancelled: list[int] = []
    door.exchanges[0].on_abandon = lambda: cancelled.append(0)
    door.exchanges[1].on_abandon = lambda: cancelled.append(1)
    door.connection.connection_lost(None)
    assert cancelled == [0, 1]
    assert door.connections == set()
    door.exchanges[0].answer(200, b"nobody reads this")
    assert door.wire.written == []


def test_an_answered_request_is_not_cancelled() -> None:
    door = Door(answers=False)
    door.send(POST)
    cancelled: list[int] = []
    door.exchanges[0].on_abandon = lambda: cancelled.append(0)
    door.exchanges[0].answer(200)
    door.connection.connection_lost(None)
    assert cancelled == []


def test_garbage_is_answered_and_the_connection_closed() -> None:
    door = Door()
    assert door.send(b"NOT HTTP AT ALL\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request")
    assert b"malformed HTTP request" in door.wire.text
    assert door.wire.has_ended


def test_requests_before_the_garbage_are_answered_first() -> None:
    door = Door(answers=False)
    door.send(POST + b"\x00garbage\r\n\r\n")
    assert door.wire.written == []
    assert not door.wire.has_ended
    door.exchanges[0].answer(200, b"hello")
    assert door.wire.text.startswith(OK)
    assert b"400 Bad Request" in door.wire.text
    assert door.wire.has_ended


def test_a_body_announced_too_large_is_refused_before_it_is_read() -> None:
    door = Door(Limits(body_bytes=4))
    head = POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert b"request JSON size of 5 bytes exceeds the maximum allowed input size of 4 bytes" in door.send(head)
    assert door.wire.has_ended
    assert door.exchanges == []


def test_a_body_of_exactly_the_limit_is_accepted() -> None:
    assert Door(Limits(body_bytes=5)).send(POST) == OK


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large() -> None:
    door = Door(Limits(body_bytes=4))
    sent = door.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n")
    assert b"400 Bad Request" in sent


def test_too_many_chunks() -> None:
    door = Door(Limits(chunks=2))
    sent = door.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 4)
    assert b"Chunked request body exceeds maximum of 2 non-empty chunks" in sent


def test_exactly_as_many_chunks_as_allowed() -> None:
    door = Door(Limits(chunks=2))
    door.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 2 + b"0\r\n\r\n")
    assert door.exchanges[0].body == b"aa"


def test_headers_are_bounded() -> None:
    whole = Door(Limits(header_bytes=100))
    assert whole.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 200 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert whole.wire.has_ended
    endless = Door(Limits(header_bytes=100))
    assert endless.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 200, piece=10).startswith(b"HTTP/1.1 431")
    assert endless.wire.has_ended


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    door = Door()
    door.connection.pause_writing()
    assert not door.wire.reading
    door.connection.resume_writing()
    assert door.wire.reading


def test_finishing_closes_idle_connections_at_once_and_busy_ones_after_their_answer() -> None:
    idle, busy = Door(), Door(answers=False)
    idle.connection.finish()
    assert idle.wire.closed
    busy.send(POST)
    busy.connection.finish()
    assert not busy.wire.closed
    busy.exchanges[0].answer(200, b"hello")
    assert b"Connection: close" in busy.wire.text
    assert busy.wire.closed


def test_draining_announces_the_end_with_the_next_answer_so_that_no_request_is_lost() -> None:
    """Closing under a client that keeps its connection would lose the request it sends meanwhile."""
    idle, busy = Door(), Door(answers=False)
    idle.connection.drain()
    assert not idle.wire.closed
    idle.send(POST)
    assert (idle.wire.text.count(b"Connection: close"), idle.wire.closed) == (1, True)
    busy.send(POST * 2)
    busy.connection.drain()
    for exchange in busy.exchanges:
        exchange.answer(200, b"hello")
    assert busy.wire.text == OK + OK.replace(b"Content", b"Connection: close\r\nContent", 1)
    assert busy.wire.closed


def test_draining_lets_a_request_arrive_whole() -> None:
    door = Door()
    door.send(POST)
    door.send(POST[:-3])
    door.connection.drain()
    assert not door.wire.closed
    door.send(POST[-3:] + POST)
    assert [exchange.body for exchange in door.exchanges] == [b"hello"] * 2
    assert door.wire.closed


def test_a_mistake_of_ours_is_answered_and_the_connection_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    """It was taken for malformed HTTP, answered 400, and closed the connection."""

    def broken(exchange: Exchange) -> None:
        raise KeyError("secret")

    router = Router(
        [
            route("/broken", Feature.HEALTH, GET=broken),
            route("/fine", Feature.HEALTH, GET=lambda exchange: exchange.answer(200)),
        ]
    )
    door = Door(dispatch=router)
    text = door.send(b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\nGET /fine HTTP/1.1\r\nHost: h\r\n\r\n")
    assert text.startswith(b"HTTP/1.1 500 ")
    assert text.count(b"HTTP/1.1 200 OK") == 1
    assert b"secret" not in text
    assert "KeyError: 'secret'" in caplog.text


def test_the_answer_to_head_has_no_body() -> None:
    """A body there would be taken for the next answer."""
    door = Door()
    assert door.send(POST.replace(b"POST", b"HEAD")) == OK.removesuffix(b"hello")


def test_nothing_is_read_after_a_refusal() -> None:
    door = Door(Limits(body_bytes=4))
    door.send(POST)
    door.send(POST)
    assert door.exchanges == []


def seen(exchange: Exchange) -> tuple[bytes, bytes, dict[bytes, bytes], bytes]:
    return exchange.method, exchange.url, dict(exchange.headers), exchange.body


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST,
        POST.replace(b"hello", b"h\r\n\r\n"),
        b"GET /v2 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na",
        b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
    ],
)
def test_a_repeated_head_means_what_it_meant_the_first_time(request_bytes: bytes) -> None:
    door = Door()
    answers = {door.send(request_bytes)[-20:] for _ in range(3)}
    first, *others = [seen(exchange) for exchange in door.exchanges]
    assert others == [first, first]
    assert len(answers) == 1


def test_a_known_head_with_another_body_is_cut_and_joined_as_ever() -> None:
    door = Door()
    door.send(POST)
    door.send(POST.replace(b"hello", b"world"))
    door.send(POST + POST.replace(b"hello", b"again"))
    door.send(POST.replace(b"hello", b"piece"), piece=3)
    bodies = [exchange.body for exchange in door.exchanges]
    assert bodies == [b"hello", b"world", b"hello", b"again", b"piece"]


def test_a_known_head_that_closes_is_not_taken_for_one_that_does_not() -> None:
    door = Door()
    door.send(POST)
    door.send(POST.replace(b"Host", b"Connection: close\r\nHost"))
    assert door.wire.closed


def test_after_a_half_request_nothing_is_taken_for_a_new_one() -> None:
    door = Door()
    door.send(POST)
    door.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(POST))
    door.send(POST)
    assert [exchange.body for exchange in door.exchanges] == [b"hello", POST]


def test_a_stream_leaves_in_chunks_and_keeps_its_turn() -> None:
    door = Door(answers=False)
    door.send(POST * 2)
    first, second = door.exchanges
    second.answer(200, b"second")
    first.begin_stream(200, b"text/event-stream")
    first.push(b"one")
    head, _, chunk = door.wire.text.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Type: text/event-stream" in head
    assert chunk == b"3\r\none\r\n"
    first.push(b"2")
    first.end_stream()
    first.push(b"too late")
    first.answer(500, b"too late")
    assert door.wire.text.partition(b"\r\n\r\n")[2].startswith(b"3\r\none\r\n1\r\n2\r\n0\r\n\r\nHTTP/1.1 200 OK")
    assert door.wire.text.endswith(b"second")


def test_a_client_that_leaves_in_the_middle_of_a_stream_cancels_it() -> None:
    door = Door(answers=False)
    door.send(POST)
    (exchange,) = door.exchanges
    cancelled: list[bool] = []
    exchange.on_abandon = lambda: cancelled.append(True)
    exchange.begin_stream(200, b"text/event-stream")
    exchange.push(b"one")
    door.connection.connection_lost(None)
    assert cancelled == [True]


def test_headers_are_counted() -> None:
    head = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: 1\r\n" % at for at in range(2)) + b"\r\n"
    assert Door(Limits(headers=3)).send(head).startswith(b"HTTP/1.1 200")
    door = Door(Limits(headers=2))
    assert b"more than the maximum of 2 headers" in door.send(head)
    assert door.wire.text.startswith(b"HTTP/1.1 431")


def test_the_target_is_bounded() -> None:
    assert Door(Limits(target_bytes=4)).send(b"GET /abc HTTP/1.1\r\nHost: h\r\n\r\n").startswith(b"HTTP/1.1 200")
    for piece in (0, 1):
        door = Door(Limits(target_bytes=4))
        assert door.send(b"GET /abcd HTTP/1.1\r\nHost: h\r\n\r\n", piece).startswith(b"HTTP/1.1 414")
        assert door.exchanges == []


def test_a_binary_tail_has_a_limit_of_its_own() -> None:
    tail = POST.replace(b"Host", b"Inference-Header-Content-Length: 2\r\nHost")
    assert Door(Limits(body_bytes=4, binary_bytes=5)).send(tail) == OK
    door = Door(Limits(body_bytes=3, binary_bytes=4))
    assert b"request size of 5 bytes exceeds the maximum of 4 bytes for JSON and binary data" in door.send(tail)
    for raw, words in (
        (b"Inference-Header-Content-Length: 0\r\n", b"maximum allowed value of 4 bytes"),
        (
            b"Inference-Header-Content-Length: 2\r\nContent-Encoding: gzip\r\n",
            b"maximum allowed input size of 4 bytes",
        ),
    ):
        door = Door(Limits(body_bytes=4, binary_bytes=5))
        assert words in door.send(POST.replace(b"Host", raw + b"Host"))


def test_a_body_in_a_million_pieces_weighs_what_it_holds() -> None:
    import tracemalloc

    door = Door(answers=False)
    door.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n")
    tracemalloc.start()
    for _ in range(200_000 - 1):
        door.connection.data_received(b"x")
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    door.send(b"y")
    assert door.exchanges[0].body == b"x" * 199_999 + b"y"
    assert most_bytes < 1_000_000


def test_a_request_to_change_the_protocol_is_answered_as_any_other() -> None:
    """curl --http2 asks so; the answer was followed by a second one, of status 400, and the connection closed."""
    ask = POST.replace(b"Host", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHost")
    for piece in (0, 1, 50):
        door = Door()
        assert door.send(ask + POST + ask + POST, piece) == OK * 4
        assert not door.wire.closed


def test_connect_ends_the_connection() -> None:
    """What follows it would be another protocol."""
    door = Door()
    text = door.send(b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n" + POST)
    assert text.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in text
    assert door.wire.closed


def test_leave_to_go_on_never_stands_within_another_answer() -> None:
    door = Door(answers=False)
    door.send(POST + POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
    assert door.wire.text == b""


def test_nothing_is_answered_behind_the_last_request() -> None:
    """Bytes behind a request that closes were answered too, with 400, after the answer that says it is the last."""
    door = Door()
    assert door.send(POST.replace(b"Host", b"Connection: close\r\nHost") + POST).count(b"HTTP/1.1") == 1
    assert door.wire.closed


def test_clients_whose_every_head_is_another_one_do_not_keep_the_others_out() -> None:
    """The first thousand heads were remembered for ever, and those that came later never."""
    door = Door()
    for number in range(1500):
        door.send(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
    door.send(POST)
    heads = door.connection._heads
    assert heads.recall(POST, lambda: None) is not None
    assert len(heads._heads) <= 1024


def test_targets_that_nobody_repeats_do_not_fill_the_memory() -> None:
    router = Router([route("/(?P<name>.*)", Feature.HEALTH, GET=lambda exchange, name: exchange.answer(200))])
    door = Door(dispatch=router)
    for number in range(1500):
        door.send(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
    door.send(b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % (b"long" * 1000))
    assert len(router._found) <= 1024
    assert max(len(url) for _, url in router._found) <= 512
    assert door.wire.text.count(b"200 OK") == 1501
