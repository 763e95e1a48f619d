"""The configuration files of the parts."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from lab.cluster import pins
from lab.cluster.network import Link
from lab.cluster.place import Place

PODS: Final = "10.244.0.0/24"
SERVICES: Final = "10.96.0.0/16"
API_SERVICE_IP: Final = "10.96.0.1"
DNS_SERVICE_IP: Final = "10.96.0.10"
_PLUGIN_FOLDERS: Final = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))


def write(place: Place, link: Link) -> None:
    """Write all of them."""
    folder = place.folder
    (folder / "cni").mkdir(exist_ok=True)
    (folder / "cni/10-pods.conflist").write_text(json.dumps(_pod_network(place)), encoding="utf-8")
    (folder / "containerd.toml").write_text(_containerd(place), encoding="utf-8")
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(place)), encoding="utf-8")
    (folder / "kubeconfig").write_text(yaml.safe_dump(_kubeconfig(place, link)), encoding="utf-8")


def _kubeconfig(place: Place, link: Link) -> dict[str, Any]:
    pki = place.folder / "pki"
    server = {"server": f"https://{link.node}:6443", "certificate-authority": str(pki / "ca.crt")}
    user = {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "asya", "cluster": server}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "asya", "context": {"cluster": "asya", "user": "admin"}}],
        "current-context": "asya",
    }


def _kubelet(place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}}
        | {"x509": {"clientCAFile": str(place.folder / "pki/ca.crt")}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{place.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{place.mark}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "podLogsDir": str(place.folder / "pod-logs"),
        "clusterDNS": [DNS_SERVICE_IP],
        "clusterDomain": "cluster.local",
        # Images are imported, not pulled: one that was thrown away under pressure could not come back.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
        "maxPods": 200,
        "shutdownGracePeriod": "0s",
    }


def _pod_network(place: Place) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "dataDir": str(place.folder / "addresses"),
        "ranges": [[{"subnet": PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    # Point to point, so that traffic between two pods is routed and service addresses work without bridge netfilter.
    pods = {"type": "ptp", "ipMasq": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": place.mark, "plugins": [pods, ports]}


def _containerd(place: Place) -> str:
    plugins = next((path for path in _PLUGIN_FOLDERS if path.is_dir()), _PLUGIN_FOLDERS[0])
    cri = '[plugins."io.containerd.grpc.v1.cri"'
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE, runc cannot lower the score and says only that its child is gone.
    return f"""version = 2
root = "{place.folder}/containerd"
state = "{place.run}/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "{place.socket}"
{cri}]
sandbox_image = "{pins.PAUSE_IMAGE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
{cri}.registry]
config_path = "{place.registries}"
{cri}.cni]
bin_dir = "{plugins}"
conf_dir = "{place.folder}/cni"
{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
{cri}.containerd.runtimes.runc.options]
SystemdCgroup = false
"""
