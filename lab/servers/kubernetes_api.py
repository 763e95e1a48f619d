"""A Kubernetes API server without nodes: etcd, the API server and what empties namespaces, from the cluster's built parts.

For whoever needs objects to be judged and kept as a cluster does, and no pod to run. Nothing is built: there is one where
``make cluster`` has been on this machine.
"""

import secrets
import subprocess
from pathlib import Path
from typing import Final, Self

import httpx2
import yaml

from lab.cluster import pins
from lab.errors import LabError
from lab.servers.ports import free_ports
from lab.waits import wait_until

START_TIMEOUT_S: Final = 180.0
_USER: Final = "admin"


class KubernetesApi:
    """One API server on a free port.

    Args:
        folder: For its keys, its data and its output.

    Raises:
        LabError: The cluster's parts are not built here.
    """

    def __init__(self, folder: Path) -> None:
        self._bin = pins.cache_folder() / "bin"
        if not (self._bin / "kube-apiserver").is_file():
            raise LabError("the cluster's parts are not built here: make cluster")
        self.kubeconfig = folder / "kubeconfig"
        self._folder, self._token = folder, secrets.token_hex(16)
        self._etcd, self._peer, self._port, self._manager = free_ports(4)
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        folder = self._folder
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["openssl", "genrsa", "-out", str(folder / "accounts.key"), "2048"], check=True, capture_output=True
        )
        (folder / "tokens.csv").write_text(f'{self._token},{_USER},1,"system:masters"\n', encoding="utf-8")
        self.kubeconfig.write_text(yaml.safe_dump(self._config()), encoding="utf-8")
        data, peers = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._peer}"
        self._start(
            "etcd", "--unsafe-no-fsync", f"--data-dir={folder}/data", f"--listen-client-urls={data}",
            f"--advertise-client-urls={data}", f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}",
        )  # fmt: skip
        key = folder / "accounts.key"
        self._start(
            "kube-apiserver", f"--etcd-servers={data}", f"--secure-port={self._port}", "--bind-address=127.0.0.1",
            f"--cert-dir={folder}/certificates", f"--token-auth-file={folder}/tokens.csv",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.99.0.0/24",
            "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
        )  # fmt: skip
        wait_until(self._answers, START_TIMEOUT_S, "the API server answers", self._said)
        self._start(
            "kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false",
            "--controllers=namespace-controller,garbage-collector-controller", f"--secure-port={self._manager}",
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        # Asked to end, the API server waits a minute for its clients.
        for process in reversed(self._processes):
            process.kill()
            process.wait(60)

    def _start(self, program: str, *arguments: str) -> None:
        with (self._folder / f"{program}.log").open("ab") as output:
            argv = [str(self._bin / program), *arguments]
            self._processes.append(subprocess.Popen(argv, stdout=output, stderr=output, cwd=self._folder))

    def _answers(self) -> bool:
        assert all(process.poll() is None for process in self._processes), self._said()
        try:
            answer = httpx2.get(
                f"https://127.0.0.1:{self._port}/readyz",
                headers={"Authorization": f"Bearer {self._token}"},
                verify=False,
                timeout=5,
            )
        except httpx2.HTTPError:
            return False
        return answer.status_code == 200

    def _said(self) -> str:
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(encoding='utf-8', errors='replace')[-1500:]}" for log in logs)

    def _config(self) -> dict[str, object]:
        server = {"server": f"https://127.0.0.1:{self._port}", "insecure-skip-tls-verify": True}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "api",
            "contexts": [{"name": "api", "context": {"cluster": "api", "user": _USER}}],
            "clusters": [{"name": "api", "cluster": server}],
            "users": [{"name": _USER, "user": {"token": self._token}}],
        }
