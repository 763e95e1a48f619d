"""A real Kubernetes API server with etcd; no kubelet, and no controllers until they are asked for: the operator works alone.

Benchmarks use it, and tests of what the API server decides.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import yaml

from lab.checkout import ROOT
from lab.cluster import certificates, choice
from lab.cluster.build import build
from lab.servers.ports import free_port, free_ports

START_S: Final = 60.0
_CRDS: Final = "apiextensions.k8s.io"


class ApiServer:
    """One API server on this machine's loopback; use as a context manager. Kubernetes' parts are built when missing.

    Args:
        tree: The checkout whose definition of AsyncActor it gets.
        definitions: Whether it gets one; KEDA's it always gets.

    Attributes:
        folder: Where everything of it lies; goes with it.
        kubeconfig: The administrator's.
    """

    def __init__(self, tree: Path = ROOT, *, definitions: bool = True) -> None:
        self._tree, self._definitions = tree, definitions
        self.folder = Path(tempfile.mkdtemp(prefix="asya-bench-api-"))
        self.kubeconfig = self.folder / "kubeconfig"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Start it and give it the definitions of AsyncActor and of KEDA's objects.

        Raises:
            RuntimeError: It did not become ready; the text has the end of its logs.
        """
        try:
            return self._begin()
        except BaseException:
            self._end()
            raise

    def _begin(self) -> Self:
        build()
        port, client, peer = free_ports(3)
        certificates.create(self.folder / "pki", "DNS:localhost,IP:127.0.0.1")
        self._start("etcd", f"--data-dir={self.folder}/etcd", "--unsafe-no-fsync", *_etcd_addresses(client, peer))
        self._start("kube-apiserver", *_api_flags(self.folder / "pki", port, client))
        self.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(self.folder / "pki", port)), encoding="utf-8")
        self._until(lambda: self.kubectl("get", "--raw", "/readyz"))
        keda = yaml.safe_load_all((choice.cache_folder() / "keda.yaml").read_text(encoding="utf-8"))
        definitions = [each for each in keda if each and each["apiVersion"].startswith(_CRDS)]
        self.apply(yaml.safe_dump_all(definitions))
        if self._definitions:
            self.apply((self._tree / "deploy/operator/crd.yaml").read_text(encoding="utf-8"))
        # kubectl wait fails, instead of waiting, where a definition has no conditions yet.
        self._until(lambda: self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End both processes, and remove what they left."""
        self._end()

    def _end(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it printed.

        Raises:
            RuntimeError: It failed; the text is its own.
        """
        done = subprocess.run(
            [_kubectl(), "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def apply(self, text: str) -> None:
        """Server-side apply a YAML text."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def start_controllers(self, *names: str) -> None:
        """Let some things be seen to as in every cluster, such as Deployments by ``deployment-controller``."""
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(names)}",
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
        )

    def _start(self, part: str, *flags: str) -> None:
        with (self.folder / f"{part}.log").open("wb") as log:
            argv = [str(choice.cache_folder() / "bin" / part), *flags]
            self._processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def _until(self, asked: Callable[[], str]) -> None:
        """Ask until it is not refused."""
        ends = time.monotonic() + START_S
        while True:
            try:
                asked()
            except RuntimeError as exc:
                if time.monotonic() > ends:
                    logs = "\n".join(path.read_text(errors="replace")[-1000:] for path in self.folder.glob("*.log"))
                    raise RuntimeError(f"no API server after {START_S:g} s: {exc}\n{logs}") from exc
                time.sleep(0.3)
            else:
                return


def _kubectl() -> str:
    return shutil.which("kubectl", path=f"{os.environ.get('PATH', '')}:{choice.cache_folder() / 'bin'}") or "kubectl"


def _etcd_addresses(client: int, peer: int) -> list[str]:
    at = f"http://127.0.0.1:{client}"
    return [
        *("--log-level=warn", f"--listen-client-urls={at}", f"--advertise-client-urls={at}"),
        *(f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]


def _api_flags(pki: Path, port: int, etcd: int) -> list[str]:
    return [
        *(f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1", f"--secure-port={port}"),
        *("--advertise-address=127.0.0.1", "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC"),
        # Without controllers no namespace gets its service account, which nothing here needs.
        "--disable-admission-plugins=ServiceAccount",
        *(f"--client-ca-file={pki}/ca.crt", f"--tls-cert-file={pki}/api.crt", f"--tls-private-key-file={pki}/api.key"),
        *("--service-account-issuer=https://localhost", f"--service-account-key-file={pki}/accounts.pub"),
        f"--service-account-signing-key-file={pki}/accounts.key",
    ]


def _kubeconfig(pki: Path, port: int) -> dict[str, object]:
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(pki / "ca.crt")}
    user = {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": server}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "admin"}}],
        "current-context": "bench",
    }
