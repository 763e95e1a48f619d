"""Images by name: pushed to a registry for two processors, and run in the cluster by the digest that publishing tells."""

import subprocess
from pathlib import Path

import urllib3

from lab.cluster.place import place
from lab.images.publish import publish
from lab.servers.registry import Registry
from tests.support.cluster import Cluster

NAMESPACE = "e2e-publish"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json"


def test_a_published_image_leads_to_both_processors_and_runs_in_the_cluster_by_its_digest(
    cluster: Cluster, tmp_path: Path
) -> None:
    with Registry(tmp_path / "registry") as registry:
        image = publish(f"{registry.name}/asya", "1.2.3", ["crew"], ["amd64", "arm64"])["crew"]
        name, _, digest = image.partition("@")
        assert name == f"{registry.name}/asya/asya-crew"
        url = f"http://{registry.name}/v2/asya/asya-crew/manifests/1.2.3"
        answer = urllib3.request("GET", url, headers={"Accept": INDEX}, timeout=30)
        assert answer.headers["Docker-Content-Digest"] == digest
        parts = answer.json()["manifests"]
        assert sorted(part["platform"]["architecture"] for part in parts) == ["amd64", "arm64"]
        subprocess.run([*place().ctr(), "images", "pull", "--plain-http", image], check=True, capture_output=True)

    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        command = ["python3", "-c", "import asya_crew.groups; print('here')"]
        container = {"name": "main", "image": image, "imagePullPolicy": "Never", "command": command}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crew"}}
        cluster.apply({**pod, "spec": {"restartPolicy": "Never", "containers": [container]}}, namespace=NAMESPACE)
        ended = "--for=jsonpath={.status.phase}=Succeeded"
        cluster.kubectl("wait", "pod/crew", ended, "-n", NAMESPACE, "--timeout=180s")
        assert cluster.kubectl("logs", "crew", "-n", NAMESPACE) == "here\n"
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
