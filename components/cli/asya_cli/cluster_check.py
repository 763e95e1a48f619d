"""What ``asya doctor --cluster`` looks at in the cluster of the present kubectl context, and what it makes of it.

``examine`` asks by way of kubectl, whose credentials and plugins are the user's; ``read_*`` are pure.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, Final

from asya_cli.doctor import Finding, installed_by
from asya_manifest.cluster_needs import KEDA_DEFINITION, VERSION_LABEL, Part, problems

LIMIT: Final = "20s"
ACTORS: Final = "asyncactors.asya.sh"
OPERATORS: Final = "app.kubernetes.io/part-of=asya"
_INSTALL: Final = "docs/install.md"
_KEDA: Final = "https://keda.sh/docs/latest/deploy/"


class CannotAsk(Exception):
    """kubectl could not ask; the text is its own last line."""


def examine() -> Iterator[Finding]:
    """Look at everything, in the order in which it is installed; end where the cluster does not answer."""
    try:
        yield read_kubernetes(_ask("version"))
        yield read_keda(_ask("get", "crd", KEDA_DEFINITION, "--ignore-not-found"))
        definition = read_definition(_ask("get", "crd", ACTORS, "--ignore-not-found"))
        yield definition
        yield read_operators(_ask("get", "deployments", "--all-namespaces", "--selector", OPERATORS))
    except CannotAsk as exc:
        yield Finding(
            "cluster",
            found=False,
            required=True,
            detail=str(exc),
            purpose="actors on Kubernetes",
            cure=_cure_of_access(),
        )


def read_kubernetes(version: Mapping[str, Any]) -> Finding:
    """Judge the API server's own word (``kubectl version``)."""
    known = str((version.get("serverVersion") or {}).get("gitVersion") or "")
    return _judged("Kubernetes", known, "everything")


def read_keda(definition: Mapping[str, Any]) -> Finding:
    """Judge KEDA by the definition of ScaledObject; empty is none."""
    if not definition:
        detail = f"no {KEDA_DEFINITION}; actors with spec.scaling.enabled cannot scale"
        return Finding("KEDA", found=False, required=False, detail=detail, purpose="scaling", cure=f"see {_KEDA}")
    labels = definition["metadata"].get("labels") or {}
    return _judged("KEDA", str(labels.get(VERSION_LABEL) or ""), "scaling")


def read_definition(definition: Mapping[str, Any]) -> Finding:
    """Whether the cluster knows AsyncActors; empty is not."""
    conditions = (definition.get("status") or {}).get("conditions") or []
    serves = any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
    return Finding(
        "AsyncActor",
        found=serves,
        required=True,
        detail=f"{ACTORS} is served" if serves else f"{ACTORS} is not installed, or not served yet",
        purpose="actors",
        cure="" if serves else f"helm install asya-operator, see {_INSTALL}",
    )


def read_operators(deployments: Mapping[str, Any]) -> Finding:
    """Whether an operator is at work, of whichever release name."""
    found = [each for each in deployments.get("items") or [] if _runs_operator(each)]
    ready = [each for each in found if (each.get("status") or {}).get("readyReplicas")]
    told = ", ".join(f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in ready or found)
    cure = f"helm install asya-operator, see {_INSTALL}"
    if found:
        where = f"-n {found[0]['metadata']['namespace']} deployment/{found[0]['metadata']['name']}"
        cure = f"kubectl describe {where}; kubectl logs {where}"
    words = f"{told} is ready" if ready else f"{told} is not ready" if found else "no Deployment of an operator"
    return Finding(
        "operator",
        found=bool(ready),
        required=True,
        detail=words,
        purpose="actors",
        cure="" if ready else cure,
    )


def _runs_operator(deployment: Mapping[str, Any]) -> bool:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return any(
        entry["name"] == "ASYA_TRANSPORT_CONFIG" and each["name"] == "manager"
        for each in containers
        for entry in each.get("env") or []
    )


def _judged(part: Part, version: str, purpose: str) -> Finding:
    wrong = problems(part, version)
    if not wrong:
        detail = version or "its version is not said; known holes are not looked for"
        return Finding(part, found=True, required=True, detail=detail, purpose=purpose)
    return Finding(
        part,
        found=False,
        required=True,
        detail="; ".join(each.words for each in wrong),
        purpose=purpose,
        cure=wrong[-1].cure,  # of the newest version that anything of it asks for
    )


def _ask(*arguments: str) -> dict[str, Any]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise CannotAsk("kubectl is not on PATH")
    argv = [kubectl, *arguments, f"--request-timeout={LIMIT}", "--output", "json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    said = done.stderr.strip().splitlines()
    if done.returncode != 0:
        raise CannotAsk(said[-1] if said else f"kubectl ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
    return found


def _cure_of_access() -> str:
    return "kubectl cluster-info" if shutil.which("kubectl") else installed_by("kubectl")
