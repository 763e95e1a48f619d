"""Start the cluster: idempotent, and from nothing after a start that was killed."""

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lab.cluster import certificates, choice, configuration, groups, kind, network, parts, pins
from lab.cluster.build import build, install_packages
from lab.cluster.down import down
from lab.cluster.load import load
from lab.cluster.place import Place
from lab.errors import ClusterError

_READY: Final = {
    "kube-system": ("deployment/coredns",),
    "keda": ("deployment/keda-operator", "deployment/keda-metrics-apiserver"),
}
_METRICS_API: Final = "apiservice/v1beta1.external.metrics.k8s.io"
"""What autoscalers ask; KEDA's adapter serves it through the API server, some seconds after it says that it is ready."""
_PATIENCE_S: Final = 300.0
"""For each step; many times what any takes on two idle cores. A process that ends is told at once."""
_APPLY_PATIENCE_S: Final = 60.0
"""An API server that is ready makes its own namespaces only then, and drops some requests while it is busy."""


def up(place: Place) -> None:
    """Bring the cluster up and wait until node, DNS and KEDA are ready; say so at once when they already are."""
    began = time.monotonic()
    if healthy(place):
        print("cluster: is up already")
        tell(place)
        return
    if kind.usable():
        if choice.kubernetes() != pins.KUBERNETES:
            raise ClusterError(
                "kind", f"{choice.VARIABLE} chooses among the versions that are built here; kind has its own"
            )
        kind.up(place)
    else:
        if os.geteuid() != 0:
            raise ClusterError("start", "without Docker and kind it needs root: sudo -E make cluster")
        install_packages()
        build()
        if place.folder.exists():
            print("cluster: what is there does not work, so it starts afresh", flush=True)
        down(place, quiet=True)
        began = time.monotonic()
        _start(place)
    print(f"cluster: ready after {time.monotonic() - began:.0f} s")
    tell(place)


def tell(place: Place) -> None:
    """Say how the cluster is used."""
    print(f"cluster: pods reach this machine at {place.host_ip.read_text(encoding='utf-8').strip()}")
    print(f"export KUBECONFIG={place.kubeconfig}")


def healthy(place: Place) -> bool:
    """Whether everything that ``up`` waits for is there now."""
    if not place.kubeconfig.exists() or not place.host_ip.exists():
        return False
    if not _kubectl(place, "get", "--raw", "/readyz", "--request-timeout=10s"):
        return False
    if not place.kind_marker.exists() and _version(place) != choice.kubernetes():
        return False
    return all(
        _kubectl(place, "-n", namespace, "wait", "--for=condition=Available", *names, "--timeout=20s")
        for namespace, names in _READY.items()
    ) and all(
        _kubectl(place, "wait", f"--for=condition={condition}", *what, "--timeout=20s")
        for condition, what in (("Available", (_METRICS_API,)), ("Ready", ("nodes", "--all")))
    )


def _start(place: Place) -> None:
    place.folder.mkdir(parents=True, exist_ok=True)
    place.run.mkdir(exist_ok=True)
    link = network.create(place)
    membership = groups.create(place)
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    addresses = ["127.0.0.1", configuration.API_SERVICE_IP, link.node]
    alternatives = ",".join([*(f"DNS:{name}" for name in names), *(f"IP:{address}" for address in addresses)])
    certificates.create(place.folder / "pki", alternatives)
    configuration.write(place, link)
    running = _Running(place)
    with ThreadPoolExecutor() as pool:
        for part, argv in parts.first(place, link).items():
            running.processes[part] = parts.start(place, membership, part, argv)
        images = pool.submit(_import_images, running)
        running.until("kube-apiserver", _PATIENCE_S, [*place.kubectl(), "get", "--raw", "/readyz"])
        for part, argv in parts.others(place, link).items():
            running.processes[part] = parts.start(place, membership, part, argv)
        dns = (Path(__file__).parent / "coredns.yaml").read_text(encoding="utf-8")
        dns = dns.replace("COREDNS_IMAGE", pins.COREDNS_IMAGE).replace("DNS_SERVICE_IP", configuration.DNS_SERVICE_IP)
        _apply(place, "coredns", dns)
        _apply(place, "keda", (choice.cache_folder() / "keda.yaml").read_text(encoding="utf-8"))
        images.result()
    running.until(
        "kubelet", _PATIENCE_S, [*place.kubectl(), "wait", "--for=condition=Ready", "node/node1", "--timeout=5s"]
    )
    for namespace, deployments in _READY.items():
        waiting = [*place.kubectl(), "-n", namespace, "wait", "--for=condition=Available", *deployments]
        try:
            running.until(namespace, _PATIENCE_S, [*waiting, "--timeout=5s"])
        except ClusterError as exc:
            events = [*place.kubectl(), "-n", namespace, "get", "events", "--field-selector=type=Warning"]
            seen = subprocess.run(events, capture_output=True, text=True, check=False).stdout
            raise ClusterError(exc.part, f"{exc.reason}\n{seen[-2000:]}") from exc
    metrics = [*place.kubectl(), "wait", "--for=condition=Available", _METRICS_API, "--timeout=5s"]
    running.until("keda", _PATIENCE_S, metrics)
    # Last, because whoever sees this file may take the cluster for ready.
    place.host_ip.write_text(link.host + "\n", encoding="utf-8")


@dataclass(slots=True)
class _Running:
    place: Place
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def until(self, part: str, patience_s: float, argv: list[str]) -> None:
        """Wait until a command succeeds, and no longer once a process of the cluster has ended."""
        ends = time.monotonic() + patience_s
        while True:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    raise ClusterError(name, f"ended with exit code {process.returncode}")
            if time.monotonic() > ends:
                said = (done.stderr or done.stdout).strip()[-800:]
                raise ClusterError(part, f"not ready after {patience_s:.0f} s: {said}")
            time.sleep(0.2)


def _import_images(running: _Running) -> None:
    place = running.place
    running.until("containerd", _PATIENCE_S, [*place.ctr(), "version"])
    for archive in sorted((choice.cache_folder() / "images").glob("*.tar")):
        load(place, archive, quiet=True)


def _apply(place: Place, what: str, text: str) -> None:
    argv = [*place.kubectl(), "apply", "--server-side", "--force-conflicts", "-f", "-"]
    ends = time.monotonic() + _APPLY_PATIENCE_S
    while (done := subprocess.run(argv, input=text, capture_output=True, text=True, check=False)).returncode != 0:
        if time.monotonic() > ends:
            raise ClusterError(what, done.stderr.strip())
        time.sleep(1)


def _version(place: Place) -> str:
    """Of the API server that runs."""
    argv = [*place.kubectl(), "get", "--raw", "/version"]
    found: str = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)["gitVersion"]
    return found.removeprefix("v")


def _kubectl(place: Place, *arguments: str) -> bool:
    return subprocess.run([*place.kubectl(), *arguments], capture_output=True, check=False).returncode == 0
