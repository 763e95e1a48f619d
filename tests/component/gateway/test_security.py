"""Who is let in and how often, over which wire, from which page; and that no secret is told to a log."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from asya_gateway.access import oidc
from asya_gateway.access.certificate import Certificate
from asya_gateway.access.oidc import Provider, ProviderAway, Verifier
from lab.servers.postgres import PostgresServer, postgres
from tests.support.gateway_calls import TOKEN, call, report
from tests.support.gateway_process import LIMIT_S, SESSION, Gateway
from tests.support.provider import OidcProvider, write_certificate

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[OidcProvider]:
    (tmp_path / "provider").mkdir()
    made = OidcProvider(tmp_path / "provider")
    yield made
    made.close()


def believing(provider: OidcProvider) -> dict[str, str]:
    return {
        "ASYA_GATEWAY_AUTH": "tokens",
        "ASYA_GATEWAY_OIDC_ISSUER": provider.issuer,
        "ASYA_GATEWAY_OIDC_AUDIENCE": "asya",
        "SSL_CERT_FILE": str(provider.certificate),
    }


def forged(provider: OidcProvider) -> str:
    """Sign with the public key as if it were a shared secret."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head, claims, _ = provider.token("*").split(".")
    head = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": provider.key_id}).encode())
    signature = hmac.new(provider.public_pem, f"{head}.{claims}".encode(), hashlib.sha256).digest()
    return f"{head}.{claims}.{part(signature)}"


def unsigned(provider: OidcProvider) -> str:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": provider.key_id}).encode()).rstrip(b"=").decode()
    return f"{head}.{provider.token('*').split('.')[1]}."


async def test_tokens_of_a_provider_open_what_their_scopes_say(environ: dict[str, str], provider: OidcProvider) -> None:
    with Gateway({**environ, **believing(provider), "ASYA_GATEWAY_TOKENS": f"{TOKEN}|read"}) as gateway:
        async with gateway.client(provider.token("openid call:echo", sub="ada")) as ada:
            envelope_id = (await call(ada, text="hi"))["envelope_id"]
            assert (await ada.post("/tools/call", json={"name": "brief"})).status_code == 403
            assert (await ada.get(f"/envelopes/{envelope_id}")).status_code == 200
        async with gateway.client(provider.token(["call:*"], sub="bob")) as bob:
            assert (await bob.post("/tools/call", json={"name": "brief"})).status_code == 200
            assert (await bob.get(f"/envelopes/{envelope_id}")).status_code == 403
        async with gateway.client(provider.token("call:echo", sub="ada", jti="another")) as again:
            assert (await again.get(f"/envelopes/{envelope_id}")).status_code == 200
        async with gateway.client(TOKEN) as reader:
            assert (await reader.get(f"/envelopes/{envelope_id}")).status_code == 200
        hour = 3600
        for name, wrong in {
            "expired": provider.token("*", exp=int(time.time()) - hour),
            "not yet": provider.token("*", nbf=int(time.time()) + hour),
            "of another issuer": provider.token("*", iss="https://other"),
            "for somebody else": provider.token("*", aud="other"),
            "without an end": provider.token("*", exp=None),
            "of nobody": provider.token("*", sub=None),
            "of a key nobody has": provider.token("*", kid="other"),
            "unsigned": unsigned(provider),
            "signed with the public key": forged(provider),
            "no token at all": "a.b.c",
            "changed": provider.token("*")[:-4] + "AAAA",
        }.items():
            async with gateway.client(wrong) as http:
                assert (name, (await http.get("/envelopes/x")).status_code) == (name, 401)
        assert provider.fetched <= 2
        provider.rotate()
        async with gateway.client(provider.token("read")) as http, asyncio.timeout(60):
            while (await http.get(f"/envelopes/{envelope_id}")).status_code == 401:  # until it may ask again
                await asyncio.sleep(0.2)
            assert (await http.get(f"/envelopes/{envelope_id}")).status_code == 200
        assert gateway.stop() == 0
        assert all(part not in "".join(gateway.lines) for part in provider.token("*").split(".")[:1])


async def test_an_mcp_client_learns_who_gives_out_tokens(environ: dict[str, str], provider: OidcProvider) -> None:
    public = {"ASYA_GATEWAY_PUBLIC_URL": "https://tools.example/"}
    with Gateway({**environ, **believing(provider), **public}) as gateway:
        async with gateway.client() as http:
            refused = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
            where = "https://tools.example/.well-known/oauth-protected-resource"
            assert (refused.status_code, refused.headers["www-authenticate"]) == (
                401,
                f'Bearer resource_metadata="{where}"',
            )
            for path in ("", "/mcp"):
                told = (await http.get(f"/.well-known/oauth-protected-resource{path}")).json()
                assert (told["resource"], told["authorization_servers"]) == (
                    "https://tools.example/mcp",
                    [provider.issuer],
                )
    with Gateway(environ) as plain:
        async with plain.client() as http:
            assert (await http.get("/.well-known/oauth-protected-resource")).status_code == 404


async def test_a_provider_that_is_away_costs_no_known_caller_anything(
    provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(provider.certificate))
    monkeypatch.setattr(oidc, "COOLDOWN_S", 0.0)
    now_s = [1000.0]
    verifier = Verifier(Provider(provider.issuer, "asya"), lambda: now_s[0])
    known = await verifier.admit(provider.token("read"))
    assert known is not None
    assert (known.may("read"), known.may("cancel"), known.name[:5]) == (True, False, "oidc:")
    for _ in range(5):
        assert await verifier.admit(provider.token("read", jti=str(_))) is not None
    assert provider.fetched == 1
    old = provider.token("read", sub="old")
    provider.rotate()
    assert await verifier.admit(provider.token("read")) is not None
    assert provider.fetched == 2
    now_s[0] += oidc.KEYS_KEPT_S + 1
    assert await verifier.admit(old) is None  # its key is not published any more
    young = provider.token("read")
    assert await verifier.admit(young) is not None
    provider.close()
    now_s[0] += oidc.KEYS_KEPT_S + 1
    verifier._client = None  # PyJWT's own cache lives by a clock that cannot be turned
    assert await verifier.admit(provider.token("read", sub="eve")) is not None  # the key that was seen serves
    now_s[0] += oidc.GRACE_S
    with pytest.raises(ProviderAway):
        await verifier.admit(provider.token("read", sub="eve"))


async def test_one_caller_cannot_take_what_is_for_all(environ: dict[str, str]) -> None:
    tokens = f"{TOKEN}1 {TOKEN}2 {TOKEN}3|metrics"
    limits = {"ASYA_GATEWAY_RATE": "0.01", "ASYA_GATEWAY_BURST": "3"}
    settings = {**environ, **limits, "ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": tokens}
    with Gateway(settings) as gateway:
        async with gateway.client(f"{TOKEN}1") as one, gateway.client(f"{TOKEN}2") as two:
            codes = [(await one.get("/envelopes/x")).status_code for _ in range(4)]
            assert codes == [404, 404, 404, 429]
            refused = await one.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=SESSION)
            assert (refused.status_code, refused.text) == (429, "Too many requests\n")
            assert 1 <= int(refused.headers["retry-after"]) <= 100
            assert [(await report(one, "x", "final", status="failed")).status_code for _ in range(5)] == [404] * 5
            assert [(await one.post("/reports", json={"reports": []})).status_code for _ in range(5)] == [200] * 5
            assert [(await one.post("/envelopes", json={})).status_code for _ in range(5)] == [400] * 5
            assert (await two.get("/envelopes/x")).status_code == 404
        async with gateway.client(f"{TOKEN}3") as prometheus:
            figures = (await prometheus.get("/metrics")).text
            assert 'asya_gateway_refused_total{reason="rate_limited"} 2.0' in figures
            assert 'asya_gateway_http_requests_total{code="404",method="GET",route="/envelopes/{id}"} 4.0' in figures
            assert (await prometheus.get("/envelopes/x")).status_code == 403


async def test_methods_that_nobody_knows_are_counted_as_one(gateway: Gateway) -> None:
    async with gateway.client() as http:
        for number in range(20):
            assert (await http.request(f"M{number}", "/openapi.json")).status_code == 405
        figures = (await http.get("/metrics")).text
        counted = [line for line in figures.splitlines() if "http_requests_total{" in line and "/openapi.json" in line]
        assert counted == ['asya_gateway_http_requests_total{code="405",method="other",route="/openapi.json"} 20.0']


async def test_pages_of_other_origins_are_let_in_by_name_alone(environ: dict[str, str]) -> None:
    body = b'{"name":"brief"}'
    with Gateway({**environ, "ASYA_GATEWAY_CORS_ORIGINS": "https://console.example"}) as gateway:
        async with gateway.client() as http:
            for origin, status in (
                ("https://console.example", 200), (gateway.url, 200), ("https://evil.example", 403), ("null", 403),
                ("http://[x", 403), ("http://[::1", 403), ("http://a]b", 403), ("http://", 403),
            ):  # fmt: skip
                answer = await http.post(
                    "/tools/call", content=body, headers={"Origin": origin, "Content-Type": "text/plain"}
                )
                allowed = origin if origin == "https://console.example" else None
                assert (origin, answer.status_code) == (origin, status)
                assert answer.headers.get("access-control-allow-origin") == allowed
            asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
            answer = await http.options("/tools/call", headers={"Origin": "https://console.example", **asked})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (
                200,
                "https://console.example",
            )
            answer = await http.options("/tools/call", headers={"Origin": "https://evil.example", **asked})
            assert "access-control-allow-origin" not in answer.headers
    with Gateway(environ) as closed:
        async with closed.client() as http:
            answer = await http.options("/tools/call", headers={"Origin": "https://console.example", **asked})
            assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False)


ADDRESSES = {"127.0.0.1:8080": 200, "127.8.0.1": 200, "[::1]:8080": 200, "192.168.1.5:8080": 200}
LOCAL = {"localhost:8089": 200, "LOCALHOST": 200, **ADDRESSES}
STRANGE = dict.fromkeys(("evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "localhost."), 403)


@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        ({}, {**LOCAL, **STRANGE, "tools.example": 403}),
        ({"ASYA_GATEWAY_PUBLIC_URL": "https://tools.example/asya"}, {**LOCAL, **STRANGE, "tools.example": 200}),
        ({"ASYA_GATEWAY_CORS_ORIGINS": "http://tools.example"}, {**LOCAL, **STRANGE, "tools.example": 200}),
        # A page of another site has no token, whatever its name leads to.
        ({"ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": TOKEN}, {**LOCAL, "tools.example:8080": 200}),
    ],
)
async def test_without_tokens_a_page_is_let_in_by_an_address_or_a_known_name(
    environ: dict[str, str], settings: dict[str, str], hosts: dict[str, int]
) -> None:
    # A name that its owner points at 127.0.0.1 makes Origin and Host alike; only the name tells that page from ours.
    with Gateway({**environ, **settings}) as gateway:
        async with gateway.client(TOKEN) as http:
            for host, status in hosts.items():
                for origin, expected in ({"Origin": f"http://{host}"}, status), ({}, 200):
                    answer = await http.post("/tools/call", json={"name": "brief"}, headers={"Host": host, **origin})
                    assert (host, origin, answer.status_code) == (host, origin, expected)


async def test_whoever_sends_slowly_is_not_waited_for(environ: dict[str, str]) -> None:
    with Gateway({**environ, "ASYA_GATEWAY_REQUEST_TIMEOUT": "1s"}) as gateway:
        whole = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        for before, begun in ((b"", b""), (b"", whole[:-4]), (whole, whole[:-4])):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            async with asyncio.timeout(LIMIT_S):
                if before:
                    writer.write(before)
                    assert (await reader.readuntil(b"OK\n")).startswith(b"HTTP/1.1 200")
                writer.write(begun)
                assert await reader.read() == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /tools/call HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        async with asyncio.timeout(LIMIT_S):
            answered = await reader.read()
        assert answered.startswith(b"HTTP/1.1 408")
        writer.close()


async def test_it_serves_https_by_its_files(environ: dict[str, str], tmp_path: Path) -> None:
    chain, key = write_certificate(tmp_path)
    files = {"ASYA_GATEWAY_TLS_CERT": str(chain), "ASYA_GATEWAY_TLS_KEY": str(key)}
    with Gateway({**environ, **files}) as gateway:
        context = ssl.create_default_context(cafile=str(chain))
        async with httpx2.AsyncClient(verify=context, timeout=LIMIT_S, trust_env=False) as http:
            assert (await http.get(f"https://localhost:{gateway.port}/ready")).text == "OK\n"
            with pytest.raises(httpx2.HTTPError):
                await http.get(f"http://localhost:{gateway.port}/ready")
        assert gateway.stop() == 0
    key.write_text("no key")
    with Gateway({**environ, **files}) as broken:
        assert broken.wait() == 1
        assert "ASYA_GATEWAY_TLS_CERT" in broken.lines[-1]


async def test_a_renewed_certificate_serves_new_connections(tmp_path: Path) -> None:
    ends: list[tuple[str, float]] = []
    served = Certificate(*write_certificate(tmp_path, "old"), lambda *told: ends.append(told))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=served.context)
    port = server.sockets[0].getsockname()[1]

    async def subject() -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        return found

    assert (b"old" in await subject(), served.refresh()) == (True, False)
    write_certificate(tmp_path, "new")
    assert served.refresh()
    assert b"new" in await subject()
    (tmp_path / "tls.key").write_text("no key")
    assert not served.refresh()
    assert b"new" in await subject()
    assert [("old" in subject, ends_s > time.time()) for subject, ends_s in ends] == [(True, True), (False, True)]
    server.close()
    await server.wait_closed()


SECRET = "s3cr3t-of-some-length"


async def test_no_secret_is_told_to_a_log(environ: dict[str, str], postgres: PostgresServer) -> None:
    database = postgres.new_database().replace("asya@", f"asya:{SECRET}-db@")
    secrets = {
        "ASYA_DATABASE_URL": database, "ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": f"{SECRET}-token",
        "ASYA_LOG_LEVEL": "DEBUG",
    }  # fmt: skip
    with Gateway({**environ, **secrets}) as gateway:
        async with gateway.client(f"{SECRET}-token") as http, gateway.client(f"{SECRET}-wrong") as wrong:
            envelope_id = (await call(http, text=f"{SECRET}-payload"))["envelope_id"]
            await http.post("/tools/call", json={"name": "lost", "arguments": {"text": f"{SECRET}-payload"}})
            await http.post("/tools/call", json={"name": "echo", "arguments": {"text": [f"{SECRET}-payload"]}})
            await http.post("/tools/call", content=f"{SECRET}-not-json")
            await report(http, envelope_id, "final", status="succeeded", result=f"{SECRET}-result")
            assert (await wrong.get(f"/envelopes/{envelope_id}")).status_code == 401
            postgres.stop()
            assert (await http.get(f"/envelopes/{envelope_id}")).status_code == 503
            postgres.start()
        assert gateway.stop() == 0
        assert len(gateway.lines) > 4
        assert [line for line in gateway.lines if SECRET in line] == []
        assert all(json.loads(line)["level"] for line in gateway.lines)
    broken = [
        {"ASYA_DATABASE_URL": f"postgresql://asya:{SECRET}@127.0.0.1:1/x"},
        {"ASYA_DATABASE_URL": f"postgresql://asya:{SECRET}/x@127.0.0.1/x"},
        {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": f"amqp://asya:{SECRET}@127.0.0.1:1/",
         "ASYA_QUEUE_RETRY_MAX_ATTEMPTS": "1"},
    ]  # fmt: skip
    for settings in broken:
        with Gateway({**environ, **settings}) as gateway:
            assert gateway.wait() == 1
            assert gateway.lines
            assert SECRET not in "".join(gateway.lines)
