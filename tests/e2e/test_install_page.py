"""docs/install.md, typed word for word against a real API server, from nothing to nothing, with charts of a registry.

No kubelet runs there, so the lines that wait for pods or call them are left out; changed are the registry's name and passwords.
``tests/e2e/stack/test_installed_from_a_registry.py`` types all of it, with pods.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bench.api_server import ApiServer
from lab.cluster import pins
from lab.images.publish import own_version
from lab.installs.helm import VERSIONS, helm
from lab.servers.registry import Registry
from tests.support.cluster import ROOT
from tests.support.install_page import Reader, command, shell
from tools.release import charts

OF_PODS: Final = re.compile(
    r"^ *(kubectl .*(rollout status|wait --for|create quota|delete namespace).*|export ASYA_.*|asya-mcp.*|pip .*)\n",
    re.MULTILINE,
)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer(definitions=False) as server:
        yield server


@pytest.fixture(params=VERSIONS, ids=lambda generation: f"helm{generation}")
def reader(request: pytest.FixtureRequest, api: ApiServer, tmp_path: Path) -> Iterator[Reader]:
    commands = tmp_path / "bin"
    command(commands, "helm", helm(request.param), plain=True)
    environment = shell(tmp_path, api.kubeconfig, commands, ROOT / ".venv/bin", pins.cache_folder() / "bin")
    with Registry(tmp_path / "registry") as registry:
        name = f"{registry.name}/asya"
        for archive in charts.package(own_version(), {}, tmp_path):
            charts.push(archive, name)
        yield Reader(tmp_path, environment, name, OF_PODS)


def test_the_page_s_commands_are_taken_from_nothing_to_nothing(api: ApiServer, reader: Reader) -> None:
    reader.read("With Helm")
    made = api.kubectl("-n", "my-team", "get", "asya,deployments,secrets,configmaps", "-o", "name")
    for name in ("hello-actor", "page-ocr", "happy-end", "error-end", "fan-in"):
        assert f"asyncactor.asya.sh/{name}" in made
    for name in ("deployment.apps/asya-gateway", "secret/asya-gateway-report", "secret/rabbitmq-secret"):
        assert name in made
    reader.read("Several teams")
    teams = api.kubectl("get", "asya", "-A", "-o", "jsonpath={.items[*].metadata.namespace}").split()
    assert {team: teams.count(team) for team in teams} == {"my-team": 5, "team-b": 4, "team-c": 4}
    reader.read("Upgrade and remove")
    left = api.kubectl("get", "crd,clusterrole,clusterrolebinding", "-o", "name")
    assert "asya" not in left
