"""The charts as real Helm renders them, both generations that are in use."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.checkout import ROOT
from lab.cluster import pins
from lab.installs.helm import VERSIONS, helm
from lab.installs.kubernetes_openapi import VERSIONS as VERSIONS_OF_KUBERNETES
from lab.installs.kubernetes_openapi import openapi_document
from lab.installs.prometheus_definitions import prometheus_definitions
from lab.pulumi_standins.kubernetes.openapi import Schemas

CHARTS = ROOT / "deploy" / "helm-charts"
NAMESPACE = "asya-system"
Objects = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Helm:
    """One generation of Helm."""

    program: Path
    folder: Path
    kubernetes: str = pins.KUBERNETES

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [str(self.program), *arguments], capture_output=True, text=True, check=False, env=environment, timeout=120
        )

    def with_chart(self, command: str, chart: str, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Run ``template`` or ``lint`` for the release of the chart's own name."""
        file = self.folder / "values.yaml"
        file.write_text(json.dumps(values), encoding="utf-8")
        name = [chart, "--include-crds"] if command == "template" else ["--strict"]
        where = ["--namespace", NAMESPACE, "--kube-version", self.kubernetes]
        return self.run(command, *name, str(CHARTS / chart), "--values", str(file), *where)

    def render(self, chart: str, **values: Any) -> Objects:
        """The objects of a release."""
        done = self.with_chart("template", chart, values)
        assert done.returncode == 0, done.stderr
        return [each for each in yaml.safe_load_all(done.stdout) if each]

    def refuses(self, chart: str, **values: Any) -> str:
        """Why Helm does not render it."""
        done = self.with_chart("template", chart, values)
        assert done.returncode != 0, done.stdout
        return done.stderr


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """One version of Kubernetes, by its own OpenAPI document."""

    version: str
    schemas: Schemas

    def problems(self, objects: Objects) -> list[str]:
        """What its API server would refuse."""
        return [
            f"{each['kind']} {each['metadata']['name']}: {problem}"
            for each in objects
            for problem in self.schemas.problems(each)
        ]


@pytest.fixture(params=VERSIONS, ids=lambda generation: f"helm{generation}")
def each_helm(request: pytest.FixtureRequest, tmp_path: Path) -> Helm:
    """Helm 4, then Helm 3."""
    return Helm(helm(request.param), tmp_path)


@pytest.fixture
def newest_helm(tmp_path: Path) -> Helm:
    """Helm 4, for what both would say alike."""
    return Helm(helm(max(VERSIONS)), tmp_path)


@pytest.fixture(scope="session", params=VERSIONS_OF_KUBERNETES)
def kubernetes(request: pytest.FixtureRequest) -> Kubernetes:
    """Each version that charts and manifests must fit."""
    definitions = [
        yaml.safe_load((ROOT / f"deploy/operator/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("crd", "crd-limits")
    ]
    definitions += prometheus_definitions()
    return Kubernetes(request.param, Schemas(definitions, str(openapi_document(request.param))))


def find(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found
