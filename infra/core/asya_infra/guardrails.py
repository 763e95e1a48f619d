"""What no stack of a mesh may contain, as pure rules over a resource's inputs; ``infra/policies`` gives them to Pulumi.

Inputs are those that the engine sends: camelCase, and texts that are not known yet in a preview are passed over.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Inputs = Mapping[str, Any]
Rule = Callable[[str, Inputs], Iterator[str]]
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes an output that is not known yet."""
_POLICY_HOLDERS: Final[Mapping[str, str]] = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
    "aws:iam/role:Role": "inlinePolicies",
}
_PUBLIC_ACLS: Final = frozenset({"public-read", "public-read-write", "authenticated-read"})
_PUBLIC_BLOCKS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One rule.

    Attributes:
        name: As reports spell it.
        description: What it asks for.
        problems: Given a resource's type and inputs, what is wrong with it.
        demanded: Whether every stack has to keep it; the others are turned on by whoever wants them.
    """

    name: str
    description: str
    problems: Rule
    demanded: bool = True


def no_iam_star(token: str, inputs: Inputs) -> Iterator[str]:
    """No role may do everything, or something to everything."""
    key = _POLICY_HOLDERS.get(token)
    held = inputs.get(key) if key else None
    texts = [entry.get("policy") for entry in held] if isinstance(held, list) else [held]
    for document in filter(None, map(_document, texts)):
        for statement in _listed(document.get("Statement")):
            if statement.get("Effect") != "Allow":
                continue
            yield from (
                f"allows the action {a}" for a in _listed(statement.get("Action")) if a == "*" or a.endswith(":*")
            )
            yield from ("allows it on every resource" for r in _listed(statement.get("Resource")) if r == "*")
            if "NotAction" in statement or "NotResource" in statement:
                yield "allows all but what it names"


def no_public_bucket(token: str, inputs: Inputs) -> Iterator[str]:
    """No bucket is open to the world."""
    if token in {"aws:s3/bucket:Bucket", "aws:s3/bucketAcl:BucketAcl"} and inputs.get("acl") in _PUBLIC_ACLS:
        yield f"has the public ACL {inputs['acl']}"
    if token == "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":  # noqa: S105 - a type
        yield from (f"does not set {key}" for key in _PUBLIC_BLOCKS if inputs.get(key) not in (True, UNKNOWN))
    if token == "aws:s3/bucketPolicy:BucketPolicy":  # noqa: S105 - a type
        for statement in _listed((_document(inputs.get("policy")) or {}).get("Statement")):
            open_to_all = statement.get("Principal") in ("*", {"AWS": "*"})
            if statement.get("Effect") == "Allow" and open_to_all and not statement.get("Condition"):
                yield "lets everybody in"


def encrypted(token: str, inputs: Inputs) -> Iterator[str]:
    """Queues and databases are encrypted at rest, databases are not public."""
    if token == "aws:sqs/queue:Queue" and not (inputs.get("kmsMasterKeyId") or inputs.get("sqsManagedSseEnabled")):  # noqa: S105
        yield "is not encrypted: set kmsMasterKeyId or sqsManagedSseEnabled"
    if token in {"aws:rds/instance:Instance", "aws:rds/cluster:Cluster"}:
        if inputs.get("storageEncrypted") not in (True, UNKNOWN):
            yield "is not encrypted: set storageEncrypted"
        if inputs.get("publiclyAccessible") is True:
            yield "is reached from everywhere: set publiclyAccessible to false"
    if token == "kubernetes:core/v1:ConfigMap" and inputs.get("metadata", {}).get("name") == "asya-operator-config":  # noqa: S105
        yield from _queues_of_the_operator(inputs)


def _queues_of_the_operator(inputs: Inputs) -> Iterator[str]:
    """The operator makes the queues: what it is told about them is what they will be."""
    found = _document(inputs.get("data", {}).get("transports.json")) or {}
    for name, transport in found.get("transports", {}).items():
        config = transport.get("config", {})
        if transport.get("type") == "sqs" and not config.get("endpoint") and not config.get("kmsKeyId"):
            yield f"transport {name} makes queues without a key: set kmsKeyId"


def no_privileged_pod(token: str, inputs: Inputs) -> Iterator[str]:
    """No container can become its node."""
    pod = _pod(token, inputs)
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key) is True:
            yield f"shares its node's {key.removeprefix('host')}"
    for volume in pod.get("volumes") or ():
        if "hostPath" in volume and volume["hostPath"].get("path") != DEVICE_PLUGINS:
            yield f"mounts {volume['hostPath'].get('path')} of its node"
    for container in _containers(pod):
        context = container.get("securityContext") or {}
        if context.get("privileged") is True:
            yield f"container {container.get('name')} is privileged"
        if context.get("allowPrivilegeEscalation") is True:
            yield f"container {container.get('name')} may gain privileges"
        added = (context.get("capabilities") or {}).get("add") or []
        if added:
            yield f"container {container.get('name')} adds capabilities: {', '.join(added)}"


def pinned_images(token: str, inputs: Inputs) -> Iterator[str]:
    """An image says which one it is."""
    for container in _containers(_pod(token, inputs)):
        image = str(container.get("image") or "")
        if not image or UNKNOWN in image or "@sha256:" in image:
            continue
        tag = image.rsplit("/", maxsplit=1)[-1].partition(":")[2]
        if tag in ("", "latest"):
            yield f"container {container.get('name')} runs {image}, which is another one tomorrow: give a tag or a digest"
    short = inputs.get("spec", {}).get("image") if token.endswith(":AsyncActor") else None
    if (
        isinstance(short, str)
        and UNKNOWN not in short
        and short.rsplit("/", maxsplit=1)[-1].partition(":")[2] in ("", "latest")
    ):
        yield f"runs {short}, which is another one tomorrow: give a tag or a digest"


def by_digest(token: str, inputs: Inputs) -> Iterator[str]:
    """An image is the one that was looked at, whatever its tag names tomorrow. Actors' own are their owners' to name."""
    for container in _containers(_pod(token, inputs)):
        image = str(container.get("image") or "")
        if image and UNKNOWN not in image and "@sha256:" not in image:
            yield f"container {container.get('name')} runs {image} by its tag: make digests, make publish STACK="


def limits_set(token: str, inputs: Inputs) -> Iterator[str]:
    """No container of the mesh's own may eat its node's memory. Actors' pods are their owners' to size."""
    if token.endswith(":AsyncActor"):
        return
    for container in _containers(_pod(token, inputs)):
        if "memory" not in ((container.get("resources") or {}).get("limits") or {}):
            yield f"container {container.get('name')} has no limit of memory"


DEVICE_PLUGINS: Final = "/var/lib/kubelet/device-plugins"
"""Where a device plugin meets the kubelet: sockets only, and there is no other way to tell of GPUs."""
GUARDRAILS: Final = (
    Guardrail("asya-no-iam-star", "No IAM policy allows every action or every resource.", no_iam_star),
    Guardrail("asya-no-public-bucket", "No bucket is public.", no_public_bucket),
    Guardrail("asya-encrypted", "Queues and databases are encrypted, databases are not public.", encrypted),
    Guardrail("asya-no-privileged-pod", "No pod has rights on its node.", no_privileged_pod),
    Guardrail("asya-pinned-images", "Every image has a tag other than latest, or a digest.", pinned_images),
    Guardrail("asya-images-by-digest", "Every image is named by its digest.", by_digest, demanded=False),
    Guardrail("asya-limits", "Every container of the mesh has a limit of memory.", limits_set),
)


def _document(text: object) -> dict[str, Any] | None:
    if isinstance(text, Mapping):
        return dict(text)
    if not isinstance(text, str) or UNKNOWN in text:
        return None
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - IAM writes one or many
    return value if isinstance(value, list) else [] if value is None else [value]


def _pod(token: str, inputs: Inputs) -> Inputs:
    """The pod that an object describes, wherever it keeps it; empty where it describes none."""
    if not token.startswith("kubernetes:"):
        return {}
    spec = inputs.get("spec")
    if not isinstance(spec, Mapping):
        return {}
    if token.endswith(":Pod"):
        return spec
    if token.endswith(":CronJob"):
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    if token.endswith(":AsyncActor"):
        spec = spec.get("workload") or {}
    template = spec.get("template")
    pod = template.get("spec") if isinstance(template, Mapping) else None
    return pod if isinstance(pod, Mapping) else {}


def _containers(pod: Inputs) -> Iterator[Mapping[str, Any]]:
    for key in ("initContainers", "containers"):
        yield from (each for each in pod.get(key) or () if isinstance(each, Mapping))
