"""What an operator costs with 10, 100 and 1,000 actors, against a real API server and a real RabbitMQ.

Nothing else runs in that cluster while actors are added: no kubelet and no controllers, so no pods either. A step adds
actors until there are as many; "rendered" means that the status of every actor tells of its present generation, which the
operator writes last. Idle is what follows once the real Deployment controller has seen to all of them and every actor says
Napping; there is no KEDA, whose ScaledObjects change nothing for actors at zero.
Witnesses are the API server (what exists), the kernel (CPU, resident memory) and, for the number of API calls, the
operator's own counter.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from asya_kube.api import KubeApi
from bench.api_server import ApiServer
from bench.figures import SECTION, Bound, Report, slope
from bench.run import MIB, cpu_s
from lab.servers.ports import free_ports
from lab.servers.rabbitmq import RabbitMqServer
from tests.support.actors import FAST_SCALING, actor

STEPS: Final = (10, 100, 1000)
IDLE: Final = Bound(2, source=SECTION)
IDLE_S: Final = 60.0
LINEAR: Final = Bound(1.5, source="one actor more must cost the same at the end as at the start")
LIMIT_S: Final = 600.0
LOOK_S: Final = 0.25
AT_ONCE: Final = 20
_ACTORS: Final = "/apis/asya.sh/v1alpha1/namespaces/default/asyncactors"


def measure(report: Report) -> None:
    """Run all steps on one operator."""
    # As often as in production: sampled as in the tests, 2,000 queues keep the broker busy all by themselves.
    with RabbitMqServer(statistics_ms=5000) as rabbitmq, ApiServer() as server:
        operator = Operator(server, rabbitmq)
        try:
            operator.until_ready()
            _grow(report, server, operator)
            server.start_controllers("deployment-controller")
            _until(server, STEPS[-1], lambda status: status.get("status") == "Napping", "said Napping")
            _idle(report, operator)
        finally:
            operator.end()


def _grow(report: Report, server: ApiServer, operator: "Operator") -> None:
    have, costs, sizes = 0, [], []
    before = operator.resident_mib()
    report.add("memory without actors", before, "MiB")
    for wanted in STEPS:
        began_s, used_s, calls = time.monotonic(), cpu_s(operator.pid), operator.api_calls()
        asyncio.run(_create(server, [f"actor-{number}" for number in range(have, wanted)]))
        created_s = time.monotonic() - began_s
        _until_rendered(server, wanted)
        took_s, added = time.monotonic() - began_s, wanted - have
        costs.append((cpu_s(operator.pid) - used_s) / added)
        sizes.append((float(wanted), operator.resident_mib()))
        report.add(f"{wanted:,} actors: time to all rendered", took_s, "s", note=f"of it {created_s:.1f} s to create")
        report.add(f"{wanted:,} actors: API calls per added actor", (operator.api_calls() - calls) / added, "calls")
        report.add(f"{wanted:,} actors: CPU of the operator per added actor", costs[-1] * 1000, "ms")
        report.add(f"{wanted:,} actors: memory of the operator", operator.resident_mib(), "MiB")
        have = wanted
    report.add("CPU per added actor, last step to the middle one", costs[-1] / costs[-2], "times", LINEAR)
    report.add("memory per actor", slope(sizes) * 1024, "KiB")


def _idle(report: Report, operator: "Operator") -> None:
    time.sleep(15)  # what the last status writes caused is over
    before_s, calls = cpu_s(operator.pid), operator.api_calls()
    time.sleep(IDLE_S)
    percent = 100 * (cpu_s(operator.pid) - before_s) / IDLE_S
    report.add(f"idle CPU with {STEPS[-1]:,} actors", percent, "% of a core", IDLE, f"over {IDLE_S:g} s")
    report.add(
        "API calls while idle",
        (operator.api_calls() - calls) / IDLE_S,
        "per s",
        note="without the lease's",
    )


async def _create(server: ApiServer, names: list[str]) -> None:
    turn = asyncio.Semaphore(AT_ONCE)
    async with KubeApi(kubeconfig=yaml.safe_load(server.kubeconfig.read_text())) as api:

        async def create(name: str) -> None:
            async with turn:
                manifest = actor(name, "rabbitmq", scaling=FAST_SCALING)
                manifest["metadata"]["namespace"] = "default"
                await api.create(manifest)

        await asyncio.gather(*map(create, names))


def _until_rendered(server: ApiServer, wanted: int) -> None:
    _until(server, wanted, lambda _status: True, "were rendered")
    for kind in ("deployments", "scaledobjects", "networkpolicies", "poddisruptionbudgets"):
        have = len(server.kubectl("-n", "default", "get", kind, "-o", "name").split())
        if have != wanted:
            raise RuntimeError(f"{have} {kind} for {wanted} actors")


def _until(server: ApiServer, wanted: int, holds: Callable[[dict[str, Any]], bool], what: str) -> None:
    """Wait until something holds for the present status of every actor."""
    ends = time.monotonic() + LIMIT_S
    while True:
        asked_s = time.monotonic()
        found: list[dict[str, Any]] = json.loads(server.kubectl("get", "--raw", _ACTORS))["items"]
        statuses = [
            status
            for each in found
            if (status := each.get("status", {})).get("observedGeneration") == each["metadata"]["generation"]
        ]
        count = sum(map(holds, statuses))
        if count == wanted:
            return
        if time.monotonic() > ends:
            raise TimeoutError(f"{count} of {wanted} actors {what} within {LIMIT_S:g} s")
        time.sleep(max(LOOK_S, 9 * (time.monotonic() - asked_s)))  # looking must not be what is measured


class Operator:
    """One operator process."""

    def __init__(self, server: ApiServer, rabbitmq: RabbitMqServer) -> None:
        self._log = (server.folder / "operator.log").open("wb")
        self._ports = tuple(free_ports(2))
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rabbitmq", "namespace": "default"}}
        server.apply(json.dumps({**secret, "stringData": {"password": "guest"}}))
        config = {
            "host": "127.0.0.1",
            "port": rabbitmq.port,
            "username": "guest",
            "passwordSecretRef": {"name": "rabbitmq", "key": "password"},
            "managementPort": rabbitmq.management_port,
        }
        environ = {
            **os.environ,
            "KUBECONFIG": str(server.kubeconfig),
            "ASYA_TRANSPORT_CONFIG": json.dumps(
                {"transports": {"rabbitmq": {"type": "rabbitmq", "enabled": True, "config": config}}}
            ),
        }
        metrics, probes = self._ports
        flags = ["--metrics-bind-address", f"127.0.0.1:{metrics}", "--health-probe-bind-address", f"127.0.0.1:{probes}"]
        argv = [sys.executable, "-m", "asya_operator", "--leader-elect", "--runtime-namespace", "default", *flags]
        self._process = subprocess.Popen(argv, env=environ, stdout=self._log, stderr=self._log)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def resident_mib(self) -> float:
        """Resident memory of it alone."""
        return float(psutil.Process(self.pid).memory_info().rss) / MIB

    def until_ready(self) -> None:
        """Wait until it holds the lease and watches."""
        ends = time.monotonic() + LIMIT_S
        while time.monotonic() < ends:
            if self._process.poll() is not None:
                raise RuntimeError(Path(self._log.name).read_text(encoding="utf-8")[-2000:])
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[1]}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(LOOK_S)
        raise TimeoutError("the operator did not become ready")

    def end(self) -> None:
        """Tell it to stop, and wait."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def api_calls(self) -> float:
        """Requests to the API server so far, watches not counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[0]}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith("asya_operator_api_requests_total{")
        )
