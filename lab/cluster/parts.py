"""The processes of the cluster: how each is started, and how to see that it serves."""

import shlex
import subprocess
from pathlib import Path

from lab.cluster import choice, configuration
from lab.cluster.network import Link
from lab.cluster.place import Place

_JOIN = 'echo $$ >"$1"; shift; exec nsenter --net="$@"'


def start(place: Place, membership: Path, part: str, argv: list[str]) -> "subprocess.Popen[bytes]":
    """Start a part inside the cluster's control group and network; it outlives this process."""
    place.log(part).parent.mkdir(exist_ok=True)
    with place.log(part).open("ab") as log:
        log.write(f"$ {shlex.join(argv)}\n".encode())
        log.flush()
        return subprocess.Popen(
            ["sh", "-ec", _JOIN, part, str(membership), str(place.netns), *argv],
            cwd=place.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def first(place: Place, link: Link) -> dict[str, list[str]]:
    """What can start at once."""
    binaries = choice.cache_folder() / "bin"
    etcd = "http://127.0.0.1:2379"
    return {
        "containerd": ["containerd", "--config", "containerd.toml"],
        "etcd": [
            *(str(binaries / "etcd"), "--data-dir=etcd", "--unsafe-no-fsync", "--log-level=warn"),
            *(f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}"),
            "--listen-peer-urls=http://127.0.0.1:2380",
        ],
        "kube-apiserver": [str(binaries / "kube-apiserver"), *_api_flags(etcd, link)],
    }


def _api_flags(etcd: str, link: Link) -> list[str]:
    return [
        f"--etcd-servers={etcd}",
        f"--advertise-address={link.node}",
        f"--service-cluster-ip-range={configuration.SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--client-ca-file=pki/ca.crt",
        "--tls-cert-file=pki/api.crt",
        "--tls-private-key-file=pki/api.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=pki/accounts.pub",
        "--service-account-signing-key-file=pki/accounts.key",
        "--kubelet-client-certificate=pki/admin.crt",
        "--kubelet-client-key=pki/admin.key",
        "--kubelet-preferred-address-types=InternalIP",
        # Aggregated APIs, KEDA's external metrics among them, need all of these.
        "--enable-aggregator-routing=true",
        "--proxy-client-cert-file=pki/front.crt",
        "--proxy-client-key-file=pki/front.key",
        "--requestheader-client-ca-file=pki/front-ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    ]


def others(place: Place, link: Link) -> dict[str, list[str]]:
    """What needs the API server and containerd; the controller manager ends when it has waited for ten seconds."""
    binaries = choice.cache_folder() / "bin"
    return {
        "kube-controller-manager": [
            *(str(binaries / "kube-controller-manager"), "--kubeconfig=kubeconfig", "--leader-elect=false"),
            *("--service-account-private-key-file=pki/accounts.key", "--root-ca-file=pki/ca.crt"),
            *("--use-service-account-credentials=true", f"--cluster-cidr={configuration.PODS}"),
            "--horizontal-pod-autoscaler-sync-period=5s",
        ],
        "kube-scheduler": [str(binaries / "kube-scheduler"), "--kubeconfig=kubeconfig", "--leader-elect=false"],
        "kubelet": [
            *(str(binaries / "kubelet"), "--config=kubelet.yaml", "--kubeconfig=kubeconfig"),
            *(f"--root-dir={place.folder}/kubelet", "--hostname-override=node1", f"--node-ip={link.node}"),
        ],
        "kube-proxy": [
            *(str(binaries / "kube-proxy"), "--kubeconfig=kubeconfig", "--proxy-mode=iptables"),
            *(f"--cluster-cidr={configuration.PODS}", "--hostname-override=node1", "--conntrack-max-per-core=0"),
        ],
    }
