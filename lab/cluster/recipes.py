"""How each part is built from its Go module: every recipe works in an empty folder and puts its result into ``half``."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from lab.cluster import pins
from lab.cluster.archive import write_archive
from lab.go import compile_program, go, module, source, tool

_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
_PAUSE: Final = """package main

import ("os"; "os/signal"; "syscall")

func main() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	<-ends
}
"""


def etcd(work: Path, half: Path) -> None:
    """The store of the API server."""
    tool(work, "go.etcd.io/etcd/server/v3", pins.ETCD, half / "bin/etcd")


def kubernetes(work: Path, half: Path) -> None:
    """The control plane, the node's two programs, and kubectl where this machine has none."""
    # Its own go.mod names the libraries of its tree at v0.0.0; each is published as v0.<minor>.<patch>.
    _, minor, patch = pins.KUBERNETES.split(".")
    tree = source(work, f"k8s.io/kubernetes@v{pins.KUBERNETES}")
    required = json.loads(go(work, "mod", "edit", "-json", str(tree / "go.mod")))["Require"]
    staged = sorted({r["Path"] for r in required if r["Path"].startswith("k8s.io/") and r["Version"] == "v0.0.0"})
    replaced = [f"replace {path} => {path} v0.{minor}.{patch}" for path in staged]
    module(work, f"require k8s.io/kubernetes v{pins.KUBERNETES}", *replaced)
    parts = [*pins.KUBERNETES_PARTS, *([] if shutil.which("kubectl") else ["kubectl"])]
    imports = "\n".join(f'import _ "k8s.io/kubernetes/cmd/{part}"' for part in parts)
    (work / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\n{imports}\n", encoding="utf-8")
    go(work, "mod", "tidy")
    version = "k8s.io/component-base/version"
    stamps = {"gitVersion": f"v{pins.KUBERNETES}", "gitMajor": "1", "gitMinor": minor}
    stamps = {f"{version}.{key}": value for key, value in stamps.items()}
    for part in parts:
        compile_program(work, f"k8s.io/kubernetes/cmd/{part}", half / "bin" / part, stamps)


def coredns(work: Path, half: Path) -> None:
    """Cluster DNS."""
    tool(work, "github.com/coredns/coredns", pins.COREDNS, half / "bin/coredns")


def keda(work: Path, half: Path) -> None:
    """KEDA's operator, its metrics adapter, and the manifests of both."""
    tree = source(work, f"github.com/kedacore/keda/v2@v{pins.KEDA}")
    replaced = json.loads(go(work, "mod", "edit", "-json", str(tree / "go.mod"))).get("Replace") or []
    pairs = [(r["Old"]["Path"], f"{r['New']['Path']} {r['New'].get('Version', '')}") for r in replaced]
    module(work, *(f"replace {old} => {new}" for old, new in pairs))
    packages = [f"github.com/kedacore/keda/v2/cmd/{name}" for name in ("operator", "adapter")]
    go(work, "get", "-tool", *(f"{package}@v{pins.KEDA}" for package in packages))
    for package, binary in zip(packages, ("keda-operator", "keda-adapter"), strict=True):
        compile_program(work, package, half / "bin" / binary)
    kubectl = shutil.which("kubectl") or str(half / "bin/kubectl")
    argv = [kubectl, "kustomize", str(tree / "config/default")]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    # The admission webhook, which checks what users write, is left out: it would be a third program to build and start.
    kept = [_as_here(thing) for thing in yaml.safe_load_all(text) if "admission" not in thing["metadata"]["name"]]
    (half / "keda.yaml").write_text(yaml.safe_dump_all(kept), encoding="utf-8")


def _as_here(thing: dict[str, Any]) -> dict[str, Any]:
    """Name the pinned images, never ask a registry for them, and be ready as soon as it is true.

    KEDA makes its certificates and then restarts once; with its own delays that alone would take half a minute.
    """
    if thing["kind"] == "Deployment":
        for container in thing["spec"]["template"]["spec"]["containers"]:
            container["image"] = container["image"].rsplit(":", 1)[0] + f":{pins.KEDA}"
            container["imagePullPolicy"] = "Never"
            container["readinessProbe"] |= {"initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 3}
            container["args"] = [argument for argument in container["args"] if argument != "--leader-elect"]
    return thing


def images(work: Path, half: Path) -> None:
    """Archives of the images that those who run inside the cluster need."""
    module(work)
    (work / "pause.go").write_text(_PAUSE, encoding="utf-8")
    compile_program(work, "pause.go", half / "bin/pause")
    certificates = {_CERTIFICATES: Path(_CERTIFICATES)}
    for name, binary, command, files, user in (
        (pins.PAUSE_IMAGE, "pause", "/pause", {}, "0"),
        (pins.COREDNS_IMAGE, "coredns", "/coredns", {}, "0"),
        (pins.KEDA_IMAGE, "keda-operator", "/keda", certificates, "1000"),
        (pins.KEDA_ADAPTER_IMAGE, "keda-adapter", "/keda-adapter", certificates, "1000"),
    ):
        archive = half / "images" / f"{binary}.tar"
        content = {command: half / "bin" / binary, **files}
        write_archive(archive, name=name, command=command, files=content, user=user)
        (half / "bin" / binary).unlink()
