"""What ``asya doctor --cluster`` looks at in the cluster of the present kubectl context, and what it makes of it.

``examine`` asks by way of kubectl, whose credentials and plugins are the user's; ``read_*`` are pure.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Final

from asya_cli.cluster_alerts import firing, told_at_once
from asya_cli.cluster_figures import CannotAsk, Figures, Seen
from asya_cli.doctor import Finding, installed_by
from asya_manifest.alerts import ALERTS
from asya_manifest.cluster_needs import KEDA_DEFINITION, VERSION_LABEL, Part, parsed, problems
from asya_manifest.operators import CURE, SELECTOR, read_operator
from asya_manifest.support_ends import support_ends

LIMIT: Final = "20s"
ACTORS: Final = "asyncactors.asya.sh"
_INSTALL: Final = "docs/install.md"
_KEDA: Final = "https://keda.sh/docs/latest/deploy/"


def examine() -> Iterator[Finding]:
    """Look at everything, in the order in which it is installed; end where the cluster does not answer."""
    try:
        yield read_kubernetes(_ask("version"))
        yield read_keda(_ask("get", "crd", KEDA_DEFINITION, "--ignore-not-found"))
        yield read_definition(_ask("get", "crd", ACTORS, "--ignore-not-found"))
        deployments = _ask("get", "deployments", "--all-namespaces", "--selector", SELECTOR)
        yield read_operators(deployments)
        yield from read_alerts(Figures(_ask, _said).look(deployments), time.time())
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
    """Whether the cluster knows AsyncActors; empty is a cluster without a mesh, which may still get one."""
    conditions = (definition.get("status") or {}).get("conditions") or []
    serves = any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
    return Finding(
        "AsyncActor",
        found=serves,
        required=bool(definition),
        detail=f"{ACTORS} is served" if serves else f"{ACTORS} is not installed, or not served yet",
        purpose="actors",
        cure="" if serves else f"helm install asya-operator, see {_INSTALL}",
    )


def read_operators(deployments: Mapping[str, Any]) -> Finding:
    """Whether an operator that is there is at work, of whichever release name, and no two keep the same actors."""
    found = [operator for each in deployments.get("items") or [] if (operator := read_operator(each)) is not None]
    ready = [each for each in found if each.ready]
    wanted = [each for each in found if each.wanted]
    cure = f"helm install asya-operator, see {_INSTALL}"
    if found:
        where = f"-n {found[0].namespace} deployment/{found[0].name}"
        cure = f"kubectl describe {where}; kubectl logs {where}"
    if twice := next(((one, other) for one, other in combinations(wanted, 2) if one.meets(other)), None):
        words = f"{twice[0]} and {twice[1]} would keep the same actors: the younger stands by, or they undo each other's work"
        return Finding("operator", found=False, required=True, detail=words, purpose="actors", cure=CURE)
    told = ", ".join(map(str, ready or found))
    words = f"{told} is ready" if ready else f"{told} is not ready" if found else "no Deployment of an operator"
    return Finding(
        "operator", found=bool(ready), required=bool(found), detail=words, purpose="actors", cure="" if ready else cure
    )


def read_alerts(seen: Seen, now_s: float) -> Iterator[Finding]:
    """Tell what Prometheus would alert of, as far as one look can, and what could not be looked at."""
    found = firing(seen.samples, now_s)
    for each in found:
        name, detail, cure = each.alert.name, each.summary, each.alert.mend
        yield Finding(name, found=False, required=False, detail=detail, purpose=each.alert.look, cure=cure, alert=True)
    if seen.samples and not found:
        count = sum(told_at_once(alert) for alert in ALERTS)
        detail = f"none of the {count} that one look can tell, of {len(ALERTS)}; the others need a Prometheus"
        yield Finding("alerts", found=True, required=False, detail=detail, purpose="what docs/runbooks.md has")
    for what, why in seen.unread.items():
        purpose = "alerts of it"
        yield Finding(what, found=False, required=False, detail=why, purpose=purpose, cure="kubectl auth can-i --list")


def _judged(part: Part, version: str, purpose: str) -> Finding:
    wrong = problems(part, version)
    if not wrong:
        detail = version or "there"
        if parsed(version) is None:
            detail += "; its version cannot be read, so known holes are not looked for"
        if (ends := support_ends(part, version)) is not None and ends < datetime.now(UTC).date():
            detail += f"; nobody mends it any more: support of its series ended on {ends}, unless your provider goes on"
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
    said = _said(*arguments, "--output", "json")
    found: dict[str, Any] = json.loads(said) if said.strip() else {}
    return found


def _said(*arguments: str) -> str:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise CannotAsk("kubectl is not on PATH")
    argv = [kubectl, *arguments, f"--request-timeout={LIMIT}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    problem = done.stderr.strip().splitlines()
    if done.returncode != 0:
        raise CannotAsk(problem[-1] if problem else f"kubectl ended with {done.returncode}")
    return done.stdout


def _cure_of_access() -> str:
    return "kubectl cluster-info" if shutil.which("kubectl") else installed_by("kubectl")
