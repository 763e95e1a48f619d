"""Other projects' images by digest: asked of a real registry, and of a stand-in for one that wants everybody's token first."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3

from lab.errors import LabError
from lab.images.digests import PINNED, by_digest, given
from lab.images.publish import with_settings
from lab.servers.registry import Registry

INDEX = "application/vnd.oci.image.index.v1+json"
BODY = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


def test_the_digest_is_the_registrys_and_the_tag_stays_beside_it(tmp_path: Path) -> None:
    with Registry(tmp_path / "registry") as registry:
        image = f"{registry.name}/team/rabbitmq:4.3.6"
        url = f"http://{registry.name}/v2/team/rabbitmq/manifests/4.3.6"
        pushed = urllib3.request("PUT", url, body=BODY, headers={"Content-Type": INDEX}, timeout=30)
        assert pushed.status == 201, pushed.data
        assert by_digest(image) == f"{image}@{DIGEST}"
        assert by_digest(f"{image}@sha256:{'0' * 64}") == f"{image}@{DIGEST}", "it is looked up anew"
        with pytest.raises(LabError, match="other:1: Client error '404"):
            by_digest(f"{registry.name}/team/other:1")
        with pytest.raises(LabError, match="has no tag"):
            by_digest(f"{registry.name}/team/other")


class WantsToken(BaseHTTPRequestHandler):
    """As Docker Hub does it, for images that all may pull."""

    def do_GET(self) -> None:
        assert self.path in {
            "/token?service=hub&scope=repository%3Ax%3Apull",
            "/token?service=hub&scope=repository:x:pull",
        }
        self._answer(200, {}, b'{"token": "everybodys"}')

    def do_HEAD(self) -> None:
        if self.headers["Authorization"] == "Bearer everybodys":
            self._answer(200, {"Docker-Content-Digest": DIGEST})
        else:
            told = f'Bearer realm="http://{self.headers["Host"]}/token",service="hub",scope="repository:x:pull"'
            self._answer(401, {"WWW-Authenticate": told})

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def stand_in() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), WantsToken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_registry_that_wants_a_token_of_everybody_gets_it() -> None:
    with stand_in() as host:
        assert by_digest(f"{host}/x:1") == f"{host}/x:1@{DIGEST}"


def test_they_stand_on_one_line_of_the_stacks_settings_which_the_next_run_reads() -> None:
    found = {"rabbitmq": f"mirror.example/rabbitmq:4@{DIGEST}"}
    text = with_settings("config:\n  asya:queue: rabbitmq\n", {"asya:images": json.dumps(found)})
    assert given(text) == found
    assert given("config:\n") == {}
    with pytest.raises(LabError, match="on several lines"):
        given("config:\n  asya:images:\n    rabbitmq: x\n")
    assert all(image.rpartition("/")[2].count(":") == 1 for image in PINNED.values())
