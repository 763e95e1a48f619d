"""What the mesh asks of a pod template, beyond what Kubernetes asks: names that are free, and parts that work together. Pure.

Kubernetes judges the rest when the workload is applied; what it would take and only fail at later is refused here too.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from asya_manifest.env_order import in_order
from asya_manifest.errors import Problem, quoted
from asya_manifest.labels import (
    ANNOTATION_RUNTIME,
    METRICS_PORT,
    METRICS_PORT_NAME,
    SOCKET_DIR,
)
from asya_manifest.pod import (
    RESERVED_MOUNTS,
    RESERVED_VOLUMES,
    RUNTIME_CONTAINER,
    SIDECAR_CONTAINER,
    Container,
    EnvVar,
    PodTemplate,
)
from asya_manifest.problems import RuleBroken

LABEL_PATTERN: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123 label: names of actors, containers and volumes."""
LONGEST_STATEFUL_SET: Final = 52
"""A StatefulSet's pods carry its name, a hyphen and a hash of ten as a label of 63 at most; a longer name makes no pod."""
_PORT_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_OFF: Final = frozenset({"false", "0", "no", "off"})


def check_template(template: PodTemplate, claims: Sequence[str] = ()) -> Iterator[Problem]:
    """Find what breaks the mesh's own rules; the texts are those of Asya 0.1.1 where it has one.

    Args:
        template: The pod template.
        claims: Names of a StatefulSet's volume claims, which are volumes of the pod too.

    Yields:
        A problem per broken rule, with its path below the template.
    """
    spec = template.spec
    runtimes = [container for container in spec.containers if container.name == RUNTIME_CONTAINER]
    if len(runtimes) != 1:
        yield Problem(
            "spec.containers",
            f"workload must contain exactly one container named '{RUNTIME_CONTAINER}', but found {len(runtimes)}",
        )
    reserved = f"container name '{SIDECAR_CONTAINER}' is reserved for the injected sidecar and cannot be defined in "
    reserved_init = f"init container name '{SIDECAR_CONTAINER}' is reserved for operator use and cannot be defined in "
    volumes = {volume.name for volume in spec.volumes} | set(claims) | RESERVED_VOLUMES
    for where, container in _containers(template):
        if container.name == SIDECAR_CONTAINER:
            text = reserved if where.startswith("spec.containers") else reserved_init
            yield Problem(f"{where}.name", f"{text}the AsyncActor spec")
        elif not LABEL_PATTERN.fullmatch(container.name):
            yield Problem(f"{where}.name", no_label(container.name))
        yield from _check_container(container, where, volumes)
    repeated = Counter(container.name for _, container in _containers(template))
    for name, count in repeated.items():
        if count > 1 and count != (len(runtimes) if name == RUNTIME_CONTAINER else 0):
            yield Problem("spec.containers", f"{quoted(name)} names {count} containers; each needs a name of its own")
    yield from _check_volumes(template, claims)


def check_ports(template: PodTemplate, sidecar_port: int | None) -> Iterator[Problem]:
    """Find ports that two containers want: those of a pod share one address.

    Args:
        template: The pod template.
        sidecar_port: Where the injected sidecar listens.
    """
    taken = {(sidecar_port, "TCP"): SIDECAR_CONTAINER}
    for where, container in _containers(template):
        if where.startswith("spec.initContainers") and container.restart_policy != "Always":
            continue  # has ended before the others begin
        for index, port in enumerate(container.ports):
            at, key = f"{where}.ports[{index}]", (port.container_port, port.protocol)
            if port.name and (len(port.name) > 15 or not _PORT_NAME.fullmatch(port.name)):
                text = "must be lower case letters, digits and '-', at most 15, with a letter"
                yield Problem(f"{at}.name", f"{quoted(port.name)} {text}")
            if port.name == METRICS_PORT_NAME:
                yield Problem(f"{at}.name", f"{port.name!r} is reserved for the injected sidecar's port")
            holder = taken.setdefault(key, container.name)
            if holder == SIDECAR_CONTAINER:
                text = "serves the injected sidecar's metrics and health; choose another, or move the sidecar's by "
                at_env = "ASYA_METRICS_ADDR in spec.sidecar.env, such as ':9090'"
                yield Problem(f"{at}.containerPort", f"port {port.container_port} {text}{at_env}")
            elif holder != container.name:
                yield Problem(
                    f"{at}.containerPort", f"port {port.container_port} is that of the container {holder!r} too"
                )


def check_metadata(template: PodTemplate, labels: Mapping[str, str]) -> Iterator[Problem]:
    """Find labels and annotations that the mesh sets itself.

    Args:
        template: The pod template.
        labels: Those of the mesh; the same value is no contradiction.
    """
    for field, owned in (("labels", labels), ("annotations", {ANNOTATION_RUNTIME: ""})):
        given = template.metadata.get(field)
        for name, value in owned.items():
            if isinstance(given, Mapping) and given.get(name) not in (None, value):
                yield Problem(f"metadata.{field}[{name}]", "is set by the mesh; leave it out")


def check_stateful_set(name: str) -> Iterator[Problem]:
    """Find what of an actor's name keeps a StatefulSet from making pods or its Service from being made."""
    if len(name) > LONGEST_STATEFUL_SET:
        text = f"the name of a StatefulSet has at most {LONGEST_STATEFUL_SET} characters, for the labels of its pods"
        yield Problem("metadata.name", f"{quoted(name)} has {len(name)}: {text}")
    if name[:1].isdigit():
        text = "a StatefulSet has a Service of its name, which must begin with a letter"
        yield Problem("metadata.name", f"{quoted(name)}: {text}")


def check_claims(claims: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Problem]:
    """Find what breaks a rule about the volume claims of a workload of a kind."""
    if claims and kind != "StatefulSet":
        yield Problem("volumeClaimTemplates", "only a StatefulSet has claims of its own: set kind to it")
    for index, claim in enumerate(claims):
        name, where = claim_name(claim), f"volumeClaimTemplates[{index}].metadata.name"
        if not name:
            yield Problem(where, "required field is missing")
        elif name in RESERVED_VOLUMES:
            yield Problem(where, f"volume name {name!r} is reserved for the injected volumes")
        elif not LABEL_PATTERN.fullmatch(name):
            yield Problem(where, no_label(name))


def claim_name(claim: Mapping[str, Any]) -> str:
    """The name of a volume claim; empty where it has none."""
    metadata = claim.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else ""


def check_env(env: Sequence[EnvVar], where: str) -> Iterator[Problem]:
    """Find entries of a container's environment that cannot mean what they say."""
    try:
        in_order(env)
    except RuleBroken as exc:
        yield from (Problem(f"{where}{problem.path}", problem.text) for problem in exc.problems)
    for index, entry in enumerate(env):
        if "=" in entry.name or "\0" in entry.name:
            yield Problem(f"{where}[{index}].name", f"{quoted(entry.name)} cannot name a variable")


def check_socket_dir(env: Sequence[EnvVar], where: str) -> Iterator[Problem]:
    """Find a folder for the socket of runtime and sidecar that is not the one that both share."""
    for index, entry in enumerate(env):
        if entry.name == "ASYA_SOCKET_DIR" and entry.value != SOCKET_DIR:
            yield Problem(f"{where}[{index}]", f"ASYA_SOCKET_DIR is set by the mesh ({SOCKET_DIR}); leave it out")


def metrics_port(env: Sequence[EnvVar]) -> int | None:
    """Where a sidecar with this environment serves metrics and health; ``None`` when that is turned off.

    A probe of a port that is not served would restart the sidecar for ever.
    """
    values = {entry.name: entry.value or "" for entry in env}
    if values.get("ASYA_METRICS_ENABLED", "").lower() in _OFF:
        return None
    port = values.get("ASYA_METRICS_ADDR", "").rpartition(":")[2]
    return int(port) if port.isdecimal() and int(port) > 0 else METRICS_PORT


def _containers(template: PodTemplate) -> Iterator[tuple[str, Container]]:
    """Every container with its path, those of the workload first."""
    for part, containers in (
        ("containers", template.spec.containers),
        ("initContainers", template.spec.init_containers),
    ):
        for index, container in enumerate(containers):
            yield f"spec.{part}[{index}]", container


def _check_container(container: Container, where: str, volumes: Collection[str]) -> Iterator[Problem]:
    runtime = container.name == RUNTIME_CONTAINER and where.startswith("spec.containers")
    if runtime and container.command:
        yield Problem(
            f"{where}.command",
            f"container '{RUNTIME_CONTAINER}' cannot override command (command is managed by operator)",
        )
    yield from check_env(container.env, f"{where}.env")
    if runtime:
        yield from check_socket_dir(container.env, f"{where}.env")
    seen: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        at, path = f"{where}.volumeMounts[{index}]", posixpath.normpath("/" + mount.mount_path.lstrip("/"))
        if runtime and path in RESERVED_MOUNTS:
            yield Problem(f"{at}.mountPath", f"{mount.mount_path!r} is reserved for the injected volumes")
        elif path in seen:
            yield Problem(f"{at}.mountPath", f"{quoted(mount.mount_path)} is mounted twice")
        if mount.name not in volumes:
            yield Problem(f"{at}.name", f"there is no volume named {quoted(mount.name)}")
        seen.add(path)


def _check_volumes(template: PodTemplate, claims: Sequence[str]) -> Iterator[Problem]:
    seen = set(claims)
    for name in (name for name, count in Counter(claims).items() if count > 1):
        yield Problem("spec.volumes", f"{quoted(name)} names two claims")
    for index, volume in enumerate(template.spec.volumes):
        at = f"spec.volumes[{index}].name"
        if volume.name in RESERVED_VOLUMES:
            yield Problem(at, f"volume name {volume.name!r} is reserved for the injected volumes")
        elif not LABEL_PATTERN.fullmatch(volume.name):
            yield Problem(at, no_label(volume.name))
        elif volume.name in seen:
            yield Problem(at, f"{quoted(volume.name)} names another volume or claim too")
        seen.add(volume.name)


def no_label(name: str) -> str:
    """What to say about a name that does not match ``LABEL_PATTERN``."""
    return f"{quoted(name)} must be lower case letters, digits and '-', at most 63, starting and ending with no '-'"
