"""What a release pushes is signed by the real cosign, with a key of one's own and no service on the internet.

What is not proven: a signature in somebody's name (Fulcio's certificate) and its line in a public log (Rekor), which need both.
"""

import os
import subprocess
from pathlib import Path

import httpx2
import pytest

from lab.images.publish import own_version
from lab.installs.cosign import cosign
from lab.servers.registry import Registry
from tools.release.__main__ import release

pytestmark = pytest.mark.timeout(1800)
INDEX = "application/vnd.oci.image.index.v1+json"


def said(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([cosign() / "cosign", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def verified(name: str, folder: Path, key: str = "cosign.pub") -> bool:
    # No log holds these, so that none can be asked.
    return said("verify", "--key", key, "--insecure-ignore-tlog", name, folder=folder).returncode == 0


def by_architecture(name: str) -> list[str]:
    """The images that an index leads to, by digest."""
    repository, _, digest = name.partition("@")
    host, _, path = repository.partition("/")
    answer = httpx2.get(f"http://{host}/v2/{path}/manifests/{digest}", headers={"Accept": INDEX})
    return [f"{repository}@{each['digest']}" for each in answer.raise_for_status().json()["manifests"]]


def test_images_and_charts_are_signed_for_every_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUF_ROOT", str(tmp_path))  # where it keeps what it learned of public services
    monkeypatch.setenv("COSIGN_PASSWORD", "of these tests")
    for key in ("cosign", "other"):
        made = said("generate-key-pair", "--output-key-prefix", key, folder=tmp_path)
        assert made.returncode == 0, made.stderr
    without = [f"--no-default-{service}" for service in ("fulcio", "oidc", "rekor", "tsa")]
    assert said("signing-config", "create", *without, "--out", "no-services.json", folder=tmp_path).returncode == 0
    monkeypatch.setenv("PATH", f"{cosign()}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COSIGN_ARGS", f"--key {tmp_path}/cosign.key --signing-config {tmp_path}/no-services.json")
    with Registry(tmp_path / "registry") as registry:
        made_in = release(
            own_version(),
            f"{registry.name}/asya",
            images=["crew"],
            architectures=["amd64", "arm64"],
            folder=tmp_path / "release",
        )
        pushed = (made_in / "pushed.txt").read_text(encoding="utf-8").splitlines()
        (image, *charts), each = pushed, by_architecture(pushed[0])
        assert len(charts) == 5
        assert len(each) == 2
        assert [name for name in (*pushed, *each) if not verified(name, tmp_path)] == []
        assert not verified(image, tmp_path, "other.pub")
