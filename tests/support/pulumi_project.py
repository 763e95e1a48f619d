"""One project on the real engine: a copy of its folder, a file backend and a PULUMI_HOME of its own, stand-ins as plugins.

The Automation API drives the ``pulumi`` of ``lab.engine``. Nothing is downloaded: the plugins lie where the engine looks
for installed ones, at the versions of their SDKs.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from pulumi import automation

from lab.checkout import ROOT
from lab.engine import kubernetes_provider, other_hosts
from lab.engine.find import build
from lab.errors import LabError
from lab.installs.kubernetes_openapi import openapi_document

PASSPHRASE: Final = "correct horse battery staple"
STANDINS: Final = {"aws": "pulumi-aws", "kubernetes": "pulumi-kubernetes"}
"""Plugin, and the distribution whose version the engine expects it to have."""


@dataclass(slots=True)
class Project:
    """A project's folder, ready for the engine.

    Attributes:
        engine: The folder of ``pulumi``.
        folder: The copy that the engine works in.
        home: PULUMI_HOME.
        state: The file backend.
        calls: What the stand-ins were asked, line by line.
        recorded: Where the stand-in for Kubernetes records, when no API server is named.
        emulated: What the stand-in for AWS has to keep by itself.
    """

    engine: Path
    folder: Path
    home: Path
    state: Path
    calls: Path
    recorded: Path
    emulated: Path
    environment: dict[str, str] = field(default_factory=dict)
    _plugins: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def attach(self) -> None:
        """Start the stand-ins once for all that follows; the engine would start each anew for every command."""
        ports = []
        for plugin in STANDINS:
            process = subprocess.Popen(
                [sys.executable, "-m", f"lab.pulumi_standins.{plugin}"],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=subprocess.PIPE,
                text=True,
            )
            self._plugins.append(process)
        for plugin, process in zip(STANDINS, self._plugins, strict=True):
            assert process.stdout is not None
            ports.append(f"{plugin}:{int(process.stdout.readline())}")
        self.environment["PULUMI_DEBUG_PROVIDERS"] = ",".join(ports)

    def close(self) -> None:
        """End the stand-ins."""
        for process in self._plugins:
            process.terminate()
            process.communicate(timeout=60)

    def stack(self, name: str, settings: dict[str, str], secrets: dict[str, str] | None = None) -> automation.Stack:
        """Create a stack with settings (``asya:key`` or ``key``)."""
        options = automation.LocalWorkspaceOptions(
            env_vars=self.environment,
            pulumi_home=str(self.home),
            pulumi_command=automation.PulumiCommand(root=str(self.engine.parent)),
        )
        stack = automation.create_or_select_stack(name, work_dir=str(self.folder), opts=options)
        for key, value in settings.items():
            stack.set_config(key, automation.ConfigValue(value))
        for key, value in (secrets or {}).items():
            stack.set_config(key, automation.ConfigValue(value, secret=True))
        return stack

    def state_file(self) -> str:
        """The state as it lies on disk, with whatever it hides hidden."""
        (path,) = (self.state / ".pulumi/stacks").rglob("*.json")
        return path.read_text(encoding="utf-8")

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state file."""
        return list(json.loads(self.state_file())["checkpoint"]["latest"].get("resources") or [])


def require_engine() -> Path:
    """The folder of the pinned engine; skips where it cannot be built, fails where CI is set."""
    return required(lambda: build("stack tests need the pinned engine"))


def require_host(language: str) -> Path:
    """The folder of the host for programs in another language than Python; the same."""
    return required(lambda: other_hosts.build(language))


def require_kubernetes_provider() -> Path:
    """The folder of the real provider for Kubernetes; the same."""
    return required(kubernetes_provider.build)


def required(built: Callable[[], Path]) -> Path:
    """What is built for tests; skips where it cannot be, fails where CI is set."""
    try:
        return built()
    except LabError as exc:
        if os.environ.get("CI"):
            pytest.fail(str(exc))
        pytest.skip(str(exc))


def project(source: Path, tmp_path: Path, *, aws: str = "", moto: str = "", kubeconfig: str = "") -> Project:
    """Copy a project's folder and prepare everything around it.

    Args:
        source: The folder with Pulumi.yaml.
        tmp_path: For the copy and all that is made.
        aws: Endpoint of LocalStack.
        moto: Endpoint of moto's server, for EKS and RDS.
        kubeconfig: Path to the kubeconfig of a cluster to apply on; objects are only recorded when empty.
    """
    engine = require_engine()
    home, state = tmp_path / "home", tmp_path / "state"
    for folder in (home, state):
        folder.mkdir()
    install_standins(home)
    ignored = shutil.ignore_patterns(".*", "__pycache__")
    made = Project(
        engine,
        Path(shutil.copytree(source, tmp_path / "project", ignore=ignored)),
        *(home, state, tmp_path / "calls.log", tmp_path / "recorded", tmp_path / "emulated.json"),
    )
    made.environment = {
        "PATH": os.pathsep.join([str(engine), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
        "PYTHONFAULTHANDLER": "1",  # A crash says where; the engine alone says "exit code: -1".
        "STANDIN_LOG": str(made.calls),
        "STANDIN_EMULATED": str(made.emulated),
        "STANDIN_OPENAPI": str(openapi_document()),
    }
    made.environment |= {"STANDIN_AWS_ENDPOINT": aws} if aws else {}
    made.environment |= {"STANDIN_MOTO_ENDPOINT": moto} if moto else {}
    made.environment |= {"KUBECONFIG": kubeconfig} if kubeconfig else {"STANDIN_KUBE_RECORD": str(made.recorded)}
    return made


def install_standins(home: Path, *, kubernetes: Path | None = None) -> None:
    """Put the stand-ins where the engine looks for installed plugins.

    Args:
        home: PULUMI_HOME.
        kubernetes: Folder of the real provider for Kubernetes; ``None`` stands in for it, too.
    """
    for plugin, distribution in STANDINS.items():
        folder = home / "plugins" / f"resource-{plugin}-v{version(distribution)}"
        if plugin == "kubernetes" and kubernetes is not None:
            shutil.copytree(kubernetes, folder)
            continue
        folder.mkdir(parents=True)
        script = folder / f"pulumi-resource-{plugin}"
        module = f"lab.pulumi_standins.{plugin}"
        script.write_text(
            f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m {module} "$@"\n', encoding="utf-8"
        )
        script.chmod(0o755)
