"""Posts of callbacks, to servers of this test: what is sent, where it goes, and what of an answer counts."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asya_gateway.callbacks.post import REFUSED, Poster
from asya_gateway.callbacks.rule import Allowed, Attempt, read_allowed
from tests.support.provider import write_certificate

HERE = read_allowed("127.0.0.0/8")
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a port of this machine."""
    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def says(text: bytes, seen: list[bytes] | None = None) -> Answer:
    """Answer each request with a text, and close."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"Content-Length"))
        body = await reader.readexactly(length)
        if seen is not None:
            seen.append(head + body)
        writer.write(text)
        writer.close()

    return answer


async def post(port: int, poster: Poster, path: str = "/hook", host: str = "127.0.0.1") -> Attempt:
    return await poster.post(f"http://{host}:{port}{path}", {"webhook-id": "e.1"}, b'{"a":1}')


async def test_a_post_is_one_request_of_json_with_its_headers() -> None:
    seen: list[bytes] = []
    async with server(says(b"HTTP/1.1 204 No Content\r\n\r\n", seen)) as port:
        assert await post(port, Poster(HERE, 10), "?a=%20b") == Attempt(204)
    (request,) = seen
    assert request.startswith(b"POST /?a=%20b HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"a":1}')
    lines = request.split(b"\r\n")
    assert f"Host: 127.0.0.1:{port}".encode() in lines
    assert {b"Content-Type: application/json", b"webhook-id: e.1", b"Connection: close"} <= set(lines)


@pytest.mark.parametrize(
    ("text", "attempt"),
    [
        (b"HTTP/1.1 503 Away\r\nRetry-After: 7\r\n\r\n", Attempt(503, "7")),
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", Attempt(302)),
        (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\nx", Attempt(200)),
        (b"", Attempt(problem="the connection was closed without an answer")),
    ],
)
async def test_of_an_answer_the_head_counts_and_no_redirect_is_followed(text: bytes, attempt: Attempt) -> None:
    seen: list[bytes] = []
    async with server(says(text, seen)) as port:
        found = await post(port, Poster(HERE, 10))
    assert (found.status, found.retry_after) == (attempt.status, attempt.retry_after)
    assert bool(found.problem) is bool(attempt.problem)
    assert len(seen) == 1


@pytest.mark.parametrize("text", [b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, b"HTTP/1.1 20"])
async def test_an_answer_that_is_none_or_has_no_end_is_a_failed_attempt(text: bytes) -> None:
    async with server(says(text)) as port:
        found = await post(port, Poster(HERE, 10))
    assert found.status is None
    assert found.problem
    assert not found.hopeless


async def test_a_receiver_that_says_nothing_is_left_in_time() -> None:
    done = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with server(silent) as port:
        assert await post(port, Poster(HERE, 0.2)) == Attempt(problem="no answer within 0.2s")
        done.set()


async def test_a_host_that_is_not_there_is_a_failed_attempt() -> None:
    async def nowhere(_: str, __: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    found = await post(80, Poster(HERE, 10, nowhere), host="a.example")
    assert (found.status, found.hopeless) == (None, False)
    assert "Name or service not known" in found.problem
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        assert (await post(taken.getsockname()[1], Poster(HERE, 10))).problem


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "a.example"])
async def test_nothing_is_sent_to_an_address_that_is_not_let_in(host: str) -> None:
    """Whatever a host is written like: what it resolves to is judged."""
    seen: list[bytes] = []

    async def resolved(name: str, port: int) -> list[str]:
        if name == "a.example":
            return ["10.0.0.1", "127.0.0.1"]
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
        return [str(each[4][0]) for each in found]

    async with server(says(b"HTTP/1.1 200 OK\r\n\r\n", seen)) as port:
        assert await post(port, Poster(Allowed(), 10, resolved), host=host) == Attempt(problem=REFUSED, hopeless=True)
    assert seen == []


async def test_a_name_is_resolved_once_and_the_address_that_was_judged_is_connected_to() -> None:
    """A name server that says something else each time (DNS rebinding) leads nowhere else."""
    seen: list[bytes] = []
    asked: list[str] = []

    async def turning(name: str, _: int) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with server(says(b"HTTP/1.1 200 OK\r\n\r\n", seen)) as port:
        only = read_allowed("127.0.0.1")
        assert await post(port, Poster(only, 10, turning), host="turning.example") == Attempt(200)
        assert await post(port, Poster(only, 10, turning), host="turning.example") == Attempt(
            problem=REFUSED, hopeless=True
        )
    assert asked == ["turning.example"] * 2
    assert len(seen) == 1
    assert f"Host: turning.example:{port}".encode() in seen[0]


async def test_a_certificate_must_be_good_for_the_url_s_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the connection goes to an address."""
    chain, key = write_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    seen: list[bytes] = []

    async def resolved(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    async def told(host: str) -> Attempt:
        return await Poster(HERE, 10, resolved).post(f"https://{host}:{port}/", {}, b"{}")

    async with server(says(b"HTTP/1.1 200 OK\r\n\r\n", seen), tls) as port:
        assert "certificate" in (await told("localhost")).problem
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        assert await told("localhost") == Attempt(200)
        other = await told("other.example")
    assert "certificate" in other.problem
    assert (other.hopeless, len(seen)) == (False, 1)
