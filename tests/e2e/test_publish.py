"""``make publish`` as it is typed: all images for two processors, and one that runs in the cluster by what is written of it."""

import subprocess
from pathlib import Path

import pytest
import urllib3
import yaml

from lab.cluster.place import place
from lab.images.catalogue import IMAGES
from lab.images.publish import own_version
from lab.servers.registry import Registry
from tests.support.cluster import Cluster
from tests.support.make import a_stack_s_settings, typed

NAMESPACE = "e2e-publish"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json"


@pytest.mark.timeout(2400)
def test_published_images_lead_to_both_processors_and_run_in_the_cluster_by_their_digests(
    cluster: Cluster, tmp_path: Path
) -> None:
    with Registry(tmp_path / "registry") as registry, a_stack_s_settings("") as (stack, settings):
        typed(f"make publish REGISTRY={registry.name}/asya STACK={stack}")
        written = yaml.safe_load(settings.read_text(encoding="utf-8"))["config"]
        assert written.keys() == {f"asya:{image.room}Image" for image in IMAGES}
        for image in IMAGES:
            name, _, digest = written[f"asya:{image.room}Image"].partition("@")
            assert name == f"{registry.name}/asya/{image.name}:{own_version()}"
            url = f"http://{registry.name}/v2/asya/{image.name}/manifests/{own_version()}"
            answer = urllib3.request("GET", url, headers={"Accept": INDEX}, timeout=30)
            assert answer.headers["Docker-Content-Digest"] == digest
            parts = answer.json()["manifests"]
            assert sorted(part["platform"]["architecture"] for part in parts) == ["amd64", "arm64"]
        crew = written["asya:crewImage"]
        # As a kubelet does it, which asks for the digest alone.
        by_digest = crew.replace(f":{own_version()}@", "@")
        subprocess.run([*place().ctr(), "images", "pull", "--plain-http", by_digest], check=True, capture_output=True)

    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        command = ["python3", "-c", "import asya_crew.groups; print('here')"]
        container = {"name": "main", "image": crew, "imagePullPolicy": "Never", "command": command}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crew"}}
        cluster.apply({**pod, "spec": {"restartPolicy": "Never", "containers": [container]}}, namespace=NAMESPACE)
        ended = "--for=jsonpath={.status.phase}=Succeeded"
        cluster.kubectl("wait", "pod/crew", ended, "-n", NAMESPACE, "--timeout=180s")
        assert cluster.kubectl("logs", "crew", "-n", NAMESPACE) == "here\n"
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
