"""``make publish`` as it is typed, at a registry of this machine: an image for both processors, in a stack's settings.

All four, and what runs of them in a cluster, are in ``tests/e2e/test_publish.py``: eight builds take some minutes.
"""

from pathlib import Path

import pytest
import urllib3
import yaml

from lab.images.publish import own_version
from lab.servers.registry import Registry
from tests.support.make import a_stack_s_settings, typed

pytestmark = pytest.mark.timeout(2400)

INDEX = "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json"


def test_an_image_is_pushed_for_both_processors_and_named_by_digest_in_the_stack(tmp_path: Path) -> None:
    given = "config:\n  asya:environment: oss  # ours\n  asya:crewImage: old:1\n"
    with Registry(tmp_path / "registry") as registry, a_stack_s_settings(given) as (stack, settings):
        place = registry.name.replace("127.0.0.1", "localhost")
        said = typed(f"make publish REGISTRY={place} IMAGES=crew STACK={stack}")
        written = yaml.safe_load(settings.read_text(encoding="utf-8"))["config"]
        named = written["asya:crewImage"]
        assert written == {"asya:environment": "oss", "asya:crewImage": named} and named in said
        name, _, digest = named.partition("@")
        assert name == f"{place}/asya-crew:{own_version()}"
        for tag in (digest, own_version()):
            url = f"http://{registry.name}/v2/asya-crew/manifests/{tag}"
            answer = urllib3.request("GET", url, headers={"Accept": INDEX}, timeout=30)
            assert answer.headers["Docker-Content-Digest"] == digest
        parts = answer.json()["manifests"]
        assert sorted(part["platform"]["architecture"] for part in parts) == ["amd64", "arm64"]
