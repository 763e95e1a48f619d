"""The charts of the release before on a real API server: brought to this one, back, and away, by each Helm.

No kubelet runs there: what becomes of envelopes meanwhile is ``tests/e2e/stack/test_upgrade.py``'s. The definitions are
brought up to date by the lines that the charts' README has.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import yaml

from bench.api_server import ApiServer
from lab.installs.helm import VERSIONS, helm
from lab.installs.previous_release import previous_release
from tests.support.cluster import ROOT
from tests.support.install_page import command, shell

CHARTS: Final = ("asya-operator", "asya-crew", "asya-gateway")
README: Final = ROOT / "deploy/helm-charts/README.md"
NAMESPACE: Final = "mesh"
Type = Callable[[str], str]


@pytest.mark.parametrize("generation", VERSIONS)
def test_charts_go_from_the_release_before_to_this_one_and_back(generation: int, tmp_path: Path) -> None:
    before = previous_release().tree / "deploy/helm-charts"
    command(tmp_path / "bin", "helm", helm(generation))
    with ApiServer(definitions=False) as api:
        environment = {**shell(tmp_path, api.kubeconfig, tmp_path / "bin"), "HELM_NAMESPACE": NAMESPACE}

        def typed(line: str) -> str:
            argv = ["/bin/bash", "-euo", "pipefail", "-c", line]
            done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{line}: {done.stderr}"
            return done.stdout

        api.kubectl("create", "namespace", NAMESPACE)
        for chart in CHARTS:
            typed(f"helm install {chart} {before / chart}")
        then = objects(typed)
        applied, as_release = re.findall(
            r"^```bash excerpt\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S
        )
        typed(applied)
        wanted = (ROOT / "deploy/operator/crd.yaml").read_text(encoding="utf-8")
        found = yaml.safe_load(typed("kubectl get crd asyncactors.asya.sh -o yaml"))
        for version, now in zip(found["spec"]["versions"], yaml.safe_load(wanted)["spec"]["versions"], strict=True):
            assert version["schema"] == now["schema"]
        for chart in CHARTS:
            typed(f"helm upgrade {chart} deploy/helm-charts/{chart} --reset-then-reuse-values")
        assert objects(typed) != then
        typed(as_release.replace("asya-system", NAMESPACE))
        for chart in reversed(CHARTS):
            typed(f"helm rollback {chart} 1")
        assert objects(typed) == then
        for chart in reversed(CHARTS):
            typed(f"helm uninstall {chart}")
        typed("helm uninstall asya-crds")
        assert not [each for each in objects(typed) if "asya" in each]
        assert "asyncactors.asya.sh" in typed("kubectl get crds -o name")


def objects(typed: Type) -> set[str]:
    """Names of what the charts make in the namespace and in the cluster, but for definitions, and each Deployment's image."""
    images = "{range .items[*]}{.metadata.name}={.spec.template.spec.containers[0].image}{'\\n'}{end}"
    kinds = "deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,asyncactors"
    return {
        *typed(f"kubectl get -n {NAMESPACE} {kinds} -o name").splitlines(),
        *typed("kubectl get clusterroles,clusterrolebindings -o name").splitlines(),
        *typed(f'kubectl get -n {NAMESPACE} deployments -o jsonpath="{images}"').splitlines(),
    }
