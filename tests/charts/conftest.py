"""The charts as real Helm renders them, both generations that are in use."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.checkout import ROOT
from lab.cluster import pins
from lab.installs.helm import VERSIONS, helm
from lab.installs.kubernetes_openapi import openapi_document
from lab.installs.prometheus_definitions import prometheus_definitions
from lab.pulumi_standins.kubernetes.openapi import DOCUMENT_VARIABLE, Schemas

CHARTS = ROOT / "deploy" / "helm-charts"
NAMESPACE = "asya-system"
Objects = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Helm:
    """One generation of Helm."""

    program: Path
    folder: Path

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
        where = ["--namespace", NAMESPACE, "--kube-version", pins.KUBERNETES]
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


@pytest.fixture(params=VERSIONS, ids=lambda generation: f"helm{generation}")
def each_helm(request: pytest.FixtureRequest, tmp_path: Path) -> Helm:
    """Helm 4, then Helm 3."""
    return Helm(helm(request.param), tmp_path)


@pytest.fixture
def newest_helm(tmp_path: Path) -> Helm:
    """Helm 4, for what both would say alike."""
    return Helm(helm(max(VERSIONS)), tmp_path)


@pytest.fixture(scope="session")
def problems() -> Iterator[Callable[[Objects], list[str]]]:
    """What an API server would refuse of objects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DOCUMENT_VARIABLE, str(openapi_document()))
        definition = yaml.safe_load((ROOT / "deploy/operator/crd.yaml").read_text(encoding="utf-8"))
        schemas = Schemas([definition, *prometheus_definitions()])
        yield lambda objects: [
            f"{each['kind']} {each['metadata']['name']}: {problem}"
            for each in objects
            for problem in schemas.problems(each)
        ]


def find(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found
