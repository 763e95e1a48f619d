"""docs/install.md, typed word for word against a real API server, from nothing to nothing.

No kubelet runs there, so the lines that wait for pods or call them are left out; changed are the registry's name and passwords.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from bench.api_server import ApiServer
from lab.cluster import pins
from lab.installs.helm import VERSIONS, helm
from tests.support.cluster import ROOT

PAGE: Final = ROOT / "docs/install.md"
FENCE: Final = re.compile(r"^```(\w+) excerpt\n(.*?)^```", re.MULTILINE | re.DOTALL)
OF_PODS: Final = re.compile(r"^(kubectl .*(rollout status|wait --for).*|export ASYA_.*|asya-mcp.*)\n", re.MULTILINE)


def blocks(heading: str) -> list[tuple[str, str]]:
    """The fenced blocks below a heading, with their language."""
    text = PAGE.read_text(encoding="utf-8")
    part = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [(found[1], found[2]) for found in FENCE.finditer(part)]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer(definitions=False) as server:
        yield server


Take = Callable[[str, str], str]


@pytest.fixture
def take(api: ApiServer, tmp_path: Path) -> Take:
    """How a block of the page is taken: files are written beside, lines are typed in the checkout's root."""
    (tmp_path / "helm").symlink_to(helm(max(VERSIONS)))
    path = f"{tmp_path}:{ROOT}/.venv/bin:{pins.cache_folder()}/bin:{os.environ['PATH']}"
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig), "HOME": str(tmp_path), "PATH": path}

    def typed(language: str, text: str) -> str:
        text = text.replace("registry.example/asya/", "").replace("...", "secret")
        name = re.match(r"# (\S+\.yaml)\n", text)
        if language == "yaml":
            assert yaml.safe_load(text)
            if name:
                (tmp_path / name[1]).write_text(text, encoding="utf-8")
            return ""
        text = re.sub(r"-f (\S+-values\.yaml)", rf"-f {tmp_path}/\1", OF_PODS.sub("", text))
        done = subprocess.run(
            ["/bin/bash", "-euc", text],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return typed


def test_the_page_s_commands_are_taken_from_nothing_to_nothing(api: ApiServer, take: Take) -> None:
    for language, text in blocks("With Helm"):
        take(language, text)
    made = api.kubectl("-n", "my-team", "get", "asya,deployments,secrets,configmaps", "-o", "name")
    for name in ("hello-actor", "page-ocr", "happy-end", "error-end", "fan-in"):
        assert f"asyncactor.asya.sh/{name}" in made
    for name in ("deployment.apps/asya-gateway", "secret/asya-gateway-report", "secret/rabbitmq-secret"):
        assert name in made
    for language, text in blocks("Upgrade and remove"):
        take(language, text)
    left = api.kubectl("get", "crd,clusterrole,clusterrolebinding", "-o", "name")
    assert "asya" not in left
