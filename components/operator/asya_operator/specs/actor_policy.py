"""What an AsyncActor may ask of a cluster beyond running a pod: nothing, unless the operator is told otherwise. Pure.

Who may create AsyncActors in a namespace creates pods there by the operator's rights, not by their own. So what reaches the
node, another actor's rights of the cloud, or the mesh's own wiring is refused, as Pod Security ``baseline`` does the first of
these. Facts: kubernetes.io/docs/concepts/security/pod-security-standards.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from asya_manifest.actor import AsyncActor
from asya_manifest.errors import Problem
from asya_manifest.labels import service_account_name

HOST: Final = ("hostNetwork", "hostPID", "hostIPC")
ACCOUNTS: Final = service_account_name("")
"""How the accounts of single actors begin, to which roles of the cloud are bound."""
BASELINE: Final = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
"""Capabilities that a container may add."""
WIRING: Final = frozenset({
    "ASYA_ACTOR_NAME", "ASYA_ACTOR_HAPPY_END", "ASYA_ACTOR_ERROR_END", "ASYA_IS_END_ACTOR", "ASYA_IS_COLLECTOR",
    "ASYA_QUEUE_PREFIX", "ASYA_TRANSPORT",
})  # fmt: skip
"""Of the sidecar's environment: whose queue it eats, and where its envelopes end."""
CURE: Final = "; the operator refuses it, unless ASYA_ACTOR_POLICY=off"


def forbidden(actor: AsyncActor) -> Iterator[Problem]:
    """Find what an actor may not ask for.

    Yields:
        A problem for each, with its path in the manifest.
    """
    template = "spec.workload.template.spec"
    spec = actor.spec.workload.template.model_dump(by_alias=True, exclude_unset=True).get("spec") or {}
    for field in HOST:
        if spec.get(field):
            yield Problem(f"{template}.{field}", f"shares its node's{CURE}")
    for index, volume in enumerate(spec.get("volumes") or ()):
        if volume.get("hostPath") is not None:
            yield Problem(f"{template}.volumes[{index}].hostPath", f"is a folder of its node{CURE}")
    account = spec.get("serviceAccountName")
    own = service_account_name(actor.name)
    if isinstance(account, str) and account.startswith(ACCOUNTS) and account != own:
        yield Problem(f"{template}.serviceAccountName", f"{account!r} is another actor's, {own!r} its own{CURE}")
    for part in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            yield from _container(container, f"{template}.{part}[{index}]")
    for index, entry in enumerate(actor.spec.sidecar.env):
        if entry.name in WIRING:
            yield Problem(f"spec.sidecar.env[{index}]", f"{entry.name} is the mesh's to set{CURE}")


def _container(container: Mapping[str, Any], where: str) -> Iterator[Problem]:
    context = container.get("securityContext") or {}
    if context.get("privileged"):
        yield Problem(f"{where}.securityContext.privileged", f"has all rights on its node{CURE}")
    added = sorted(set((context.get("capabilities") or {}).get("add") or ()) - BASELINE)
    if added:
        yield Problem(f"{where}.securityContext.capabilities.add", f"{', '.join(added)} reach its node{CURE}")
    for number, port in enumerate(container.get("ports") or ()):
        if port.get("hostPort"):
            yield Problem(f"{where}.ports[{number}].hostPort", f"is a port of its node{CURE}")
