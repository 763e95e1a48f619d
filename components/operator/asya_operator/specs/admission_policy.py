"""The actor policy as Kubernetes' own ValidatingAdmissionPolicy, made from the tables of ``actor_policy``. Pure.

The operator refuses such an actor in its status, after the API server took it; with this object, which whoever administers
the cluster applies, the API server does not take it. Both say no to the same: a test holds them together.
Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

import json
from typing import Any, Final

from asya_operator.specs.actor_policy import ACCOUNTS, BASELINE, HOST, WIRING

NAME: Final = "asya-actors"
API: Final = "admissionregistration.k8s.io/v1"
_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")


def admission_policy() -> list[dict[str, Any]]:
    """The policy, and the binding that has it apply in all namespaces."""
    return [
        {
            "apiVersion": API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": NAME, "labels": {"app.kubernetes.io/part-of": "asya"}},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": ["asya.sh"],
                            "apiVersions": ["*"],
                            "operations": ["CREATE", "UPDATE"],
                            "resources": ["asyncactors"],
                        }
                    ]
                },
                "variables": [{"name": name, "expression": text} for name, text in _VARIABLES.items()],
                "validations": [{"expression": text, "message": why} for text, why in _validations()],
            },
        },
        {
            "apiVersion": API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": NAME, "labels": {"app.kubernetes.io/part-of": "asya"}},
            "spec": {"policyName": NAME, "validationActions": ["Deny"]},
        },
    ]


def _listed(of: str, field: str) -> str:
    return f"(has({of}.{field}) ? {of}.{field} : [])"


_VARIABLES: Final = {
    "pod": "has(object.spec.workload.template) && has(object.spec.workload.template.spec)"
    " ? object.spec.workload.template.spec : {}",
    "containers": " + ".join(_listed("variables.pod", field) for field in _LISTS),
    "sidecarEnv": "has(object.spec.sidecar) && has(object.spec.sidecar.env) ? object.spec.sidecar.env : []",
}


def _validations() -> list[tuple[str, str]]:
    every = "variables.containers.all(c, "
    context = "!has(c.securityContext) || "
    account = "variables.pod.serviceAccountName"
    return [
        *((f"!has(variables.pod.{field}) || !variables.pod.{field}", f"{field} shares its node's") for field in HOST),
        (
            f"{_listed('variables.pod', 'volumes')}.all(v, !has(v.hostPath))",
            "a hostPath volume is a folder of its node",
        ),
        (
            f"!has({account}) || !{account}.startsWith('{ACCOUNTS}') || {account} == '{ACCOUNTS}' + object.metadata.name",
            "serviceAccountName is another actor's",
        ),
        (
            f"{every}{context}!has(c.securityContext.privileged) || !c.securityContext.privileged)",
            "a privileged container has all rights on its node",
        ),
        (
            f"{every}{context}!has(c.securityContext.capabilities) || !has(c.securityContext.capabilities.add) || "
            f"c.securityContext.capabilities.add.all(each, each in {json.dumps(sorted(BASELINE))}))",
            "a capability beyond Pod Security's baseline reaches its node",
        ),
        (
            f"{every}{_listed('c', 'ports')}.all(p, !has(p.hostPort) || p.hostPort == 0))",
            "a hostPort is a port of its node",
        ),
        (
            f"variables.sidecarEnv.all(e, !(e.name in {json.dumps(sorted(WIRING))}))",
            "spec.sidecar.env sets what is the mesh's to set",
        ),
    ]
