"""``asya doctor``: what this machine, or a cluster, has, what for, and the one command that brings what is missing."""

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import ExitCode
from asya_cli.options import json_option

OLDEST_PYTHON: Final = (3, 11)

INSTALLERS: Final[dict[str, dict[str, str]]] = {
    "apt-get": {
        "python": "uv python install 3.13",
        "rabbitmq": "sudo apt-get install -y rabbitmq-server",
        "docker": "sudo apt-get install -y docker.io",
        "kubectl": "sudo apt-get install -y kubernetes-client",
    },
    "dnf": {
        "python": "sudo dnf install -y python3.13",
        "rabbitmq": "sudo dnf install -y rabbitmq-server",
        "docker": "sudo dnf install -y moby-engine",
        "kubectl": "sudo dnf install -y kubernetes-client",
    },
    "brew": {
        "python": "brew install python@3.13",
        "rabbitmq": "brew install rabbitmq",
        "docker": "brew install --cask docker",
        "kubectl": "brew install kubectl",
    },
    "": {
        "python": "uv python install 3.13",
        "uv": "make setup",
        "rabbitmq": "see https://www.rabbitmq.com/docs/download",
        "docker": "see https://docs.docker.com/get-docker/",
        "kubectl": "see https://kubernetes.io/docs/tasks/tools/",
        "pulumi": "see https://www.pulumi.com/docs/install/; or Go 1.26, with which make builds it",
    },
}
"""Package manager, and the one command that installs each thing with it; the empty name is for everyone else."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: What it is.
        found: Whether it is there and usable.
        required: Whether the local mesh cannot run without it.
        detail: Where it is, or what happens without it.
        purpose: What needs it.
        cure: One command that brings it; empty when it is there.
        alert: It is an alert that is true now; ``purpose`` says where to look, ``cure`` what to do.
    """

    name: str
    found: bool
    required: bool
    detail: str
    purpose: str
    cure: str = ""
    alert: bool = False


@click.command(short_help="Say what this machine, or a cluster, lacks, what for, and how to get it.")
@click.option("--cluster", is_flag=True, help="Look at the cluster of kubectl's present context instead.")
@json_option
def doctor(as_json: bool, cluster: bool) -> None:
    """Say what is missing on this machine, what for, and the one command that installs it.

    With --cluster the same of the cluster that kubectl talks to: versions that are too old or have a known hole,
    whether the mesh is installed, and which of its alerts are true now. Exit code 0 when the local mesh, or one in
    that cluster, can run.
    """
    from asya_cli import cluster_check

    console = Console(as_json=as_json)
    findings = list(cluster_check.examine() if cluster else examine())
    ready = all(finding.found for finding in findings if finding.required)
    document = {"ready": ready, "checks": [asdict(finding) for finding in findings]}
    console.result(document, [*_lines(findings), "", _verdict(ready, cluster=cluster)])
    sys.exit(ExitCode.SUCCESS if ready else ExitCode.FAILED)


def examine() -> Iterator[Finding]:
    """Look at everything, in the order in which a newcomer needs it."""
    yield _python()
    yield _rooms()
    yield _handlers_python()
    yield _localstack_python()
    yield _program("uv", "make", installed_by("uv"))
    yield _program("rabbitmq-server", "make test; asya local up takes any --rabbitmq-url", installed_by("rabbitmq"))
    yield _docker("images and kind clusters; not the local mesh")
    yield _program("pulumi", "make up and programs that declare actors; not the local mesh", installed_by("pulumi"))
    yield _program("kubectl", "actors on Kubernetes; not the local mesh", installed_by("kubectl"))


def installed_by(package: str) -> str:
    """Name the one command that installs a package here."""
    for manager, commands in INSTALLERS.items():
        if shutil.which(manager) and package in commands:
            return commands[package]
    return INSTALLERS[""].get(package, "")


def _python() -> Finding:
    found = sys.version_info >= OLDEST_PYTHON
    return Finding(
        name="Python >= 3.11",
        found=found,
        required=True,
        detail=f"{platform.python_version()} at {sys.executable}",
        purpose="everything",
        cure="" if found else installed_by("python"),
    )


def _rooms() -> Finding:
    needed = ("asya_local", "asya_sidecar", "asya_crew", "asya_operator", "asya_gateway", "asya_runtime")
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    return Finding(
        name="Asya's packages",
        found=not absent,
        required=True,
        detail=f"{', '.join(absent)} cannot be imported"
        if absent
        else "sidecar, runtime, crew, operator, gateway, local mesh",
        purpose="everything",
        cure="make setup" if absent else "",
    )


def _handlers_python() -> Finding:
    from asya_local.interpreter import ANY, activated_environment, choose_python

    return Finding(
        name="Python of handlers",
        found=True,
        required=False,
        detail=str(choose_python(None, ANY, activated_environment(os.environ), Path.cwd())),
        purpose="handlers whose code is in this folder",
    )


def _localstack_python() -> Finding:
    from asya_local.localstack import find_python

    python = find_python()
    return Finding(
        name="Python 3.12 or 3.13",
        found=python is not None,
        required=False,
        detail=f"{python[1]} at {python[0]}" if python else "not found; moto's server stands in for LocalStack",
        purpose="LocalStack (SQS and S3 of the local mesh)",
        cure="" if python else installed_by("python"),
    )


def _program(name: str, purpose: str, cure: str) -> Finding:
    from asya_local.localstack import cache_folder, find_uv

    path = shutil.which(name) or (find_uv(cache_folder()) if name == "uv" else None)
    return Finding(
        name=name,
        found=path is not None,
        required=False,
        detail=path or "not on PATH",
        purpose=purpose,
        cure="" if path else cure,
    )


def _docker(purpose: str) -> Finding:
    """The daemon is asked: a client alone builds and runs nothing."""
    from asya_cli.build import daemon_answers

    client = _program("docker", purpose, installed_by("docker"))
    if not client.found or daemon_answers():
        return client
    detail = f"{client.detail}, but its daemon does not answer"
    return Finding(
        "docker", found=False, required=False, detail=detail, purpose=purpose, cure="sudo systemctl start docker"
    )


def _lines(findings: list[Finding]) -> Iterator[str]:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        missing = "MISSING " if finding.required else "ALERT   " if finding.alert else "optional"
        mark = "ok      " if finding.found else missing
        yield f"{mark}  {finding.name.ljust(width)}  {finding.detail}"
        if not finding.found:
            look, mend = ("look", "mend") if finding.alert else ("for", "get it")
            yield f"{'':10}{'':{width}}  {look}: {finding.purpose}"
            yield f"{'':10}{'':{width}}  {mend}: {finding.cure}"


def _verdict(ready: bool, *, cluster: bool) -> str:
    if cluster:
        return "A mesh can run in this cluster." if ready else "A mesh cannot run here as it should: see MISSING."
    return (
        "The local mesh can run: asya local up -f FILE"
        if ready
        else "The local mesh cannot run until what is MISSING is there."
    )
