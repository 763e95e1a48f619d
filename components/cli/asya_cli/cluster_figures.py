"""What one look at a cluster sees of what alerts ask for: the operator's own page, and when tokens and certificates end.

The gateway's and the sidecars' pages have the latter two, too, but want a token or a way into every pod; secrets have them for
whoever may read secrets. What may not be looked at is said, and costs nothing else.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from asya_cli.cluster_alerts import Sample
from asya_process.token_end import token_ends_s

GATEWAY_CERTIFICATE: Final = "ASYA_GATEWAY_TLS_CERT"
TOKEN_SECRET: Final = "ASYA_GATEWAY_TOKEN_SECRET"  # noqa: S105 - a name
CERTIFICATE_ENDS: Final = "asya_gateway_certificate_ends_timestamp_seconds"
TOKEN_ENDS: Final = "asya_actor_gateway_token_ends_timestamp_seconds"  # noqa: S105 - a name

Object = Mapping[str, Any]


class CannotAsk(Exception):
    """kubectl could not ask; the text is its own last line."""


@dataclass(slots=True)
class Seen:
    """What one look saw.

    Attributes:
        samples: The figures.
        unread: What could not be looked at, and why.
    """

    samples: list[Sample] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


class Figures:
    """Asks for them.

    Args:
        ask: Runs kubectl with these words; returns the object that it writes. Both raise ``CannotAsk``.
        text: The same for its text.
    """

    def __init__(self, ask: Callable[..., dict[str, Any]], text: Callable[..., str]) -> None:
        self._ask = ask
        self._text = text

    def look(self, deployments: Object) -> Seen:
        """Look at what these Deployments (``kubectl get -o json``) lead to."""
        seen = Seen()
        looks: dict[str, Callable[[Object, Object], Iterator[Sample]]] = {
            "operator's metrics": self._operator,
            "tokens of sidecars": self._tokens,
            "gateway's certificate": self._certificate,
        }
        for deployment in deployments.get("items") or ():
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                for what, look in looks.items():
                    try:
                        seen.samples += look(deployment, container)
                    except CannotAsk as exc:
                        seen.unread[what] = str(exc)
        return seen

    def _operator(self, deployment: Object, container: Object) -> Iterator[Sample]:
        if container["name"] != "manager" or "ASYA_TRANSPORT_CONFIG" not in _env(container):
            return
        port = next(
            (each["containerPort"] for each in container.get("ports") or () if each.get("name") == "metrics"), 0
        )
        if not port:
            return
        place = deployment["metadata"]["namespace"]
        labels = (deployment["spec"].get("selector") or {}).get("matchLabels") or {}
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        for pod in self._ask("get", "pods", "--namespace", place, "--selector", selector).get("items") or ():
            if (pod.get("status") or {}).get("phase") == "Running":
                path = f"/api/v1/namespaces/{place}/pods/{pod['metadata']['name']}:{port}/proxy/metrics"
                yield from read_page(self._text("get", "--raw", path))

    def _tokens(self, _deployment: Object, container: Object) -> Iterator[Sample]:
        if not (name := _env(container).get(TOKEN_SECRET)):
            return
        found = self._ask("get", "secrets", "--all-namespaces", "--field-selector", f"metadata.name={name}")
        for secret in found.get("items") or ():
            ends_s = token_ends_s(_content(secret, "token").decode(errors="replace").strip())
            if ends_s is not None:
                yield Sample(TOKEN_ENDS, {"queue": f"every actor of {secret['metadata']['namespace']}"}, ends_s)

    def _certificate(self, deployment: Object, container: Object) -> Iterator[Sample]:
        path = _env(container).get(GATEWAY_CERTIFICATE)
        if not path:
            return
        place = deployment["metadata"]["namespace"]
        name, key = secret_of(path, container, deployment["spec"]["template"]["spec"])
        chain = _content(self._ask("get", "secret", name, "--namespace", place), key)
        yield read_certificate(chain)


def read_page(text: str) -> Iterator[Sample]:
    """Read a process's page of metrics."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield Sample(sample.name, sample.labels, sample.value)
    except ValueError as exc:
        raise CannotAsk(f"no page of metrics: {exc}") from None


def read_certificate(chain: bytes) -> Sample:
    """Read when a chain's first certificate ends."""
    from cryptography.x509 import load_pem_x509_certificate

    try:
        found = load_pem_x509_certificate(chain)
    except ValueError as exc:
        raise CannotAsk(f"no certificate: {exc}") from None
    return Sample(CERTIFICATE_ENDS, {"subject": found.subject.rfc4514_string()}, found.not_valid_after_utc.timestamp())


def secret_of(path: str, container: Object, pod: Object) -> tuple[str, str]:
    """Find the secret, and its key, that a file of a container comes from."""
    mounts = [
        each for each in container.get("volumeMounts") or () if path.startswith(f"{each['mountPath'].rstrip('/')}/")
    ]
    for mount in sorted(mounts, key=lambda each: len(each["mountPath"]), reverse=True)[:1]:
        inside = path[len(mount["mountPath"].rstrip("/")) + 1 :]
        (volume,) = [each for each in pod.get("volumes") or () if each["name"] == mount["name"]]
        if secret := volume.get("secret"):
            keys = {each["path"]: each["key"] for each in secret.get("items") or ()}
            return secret["secretName"], keys.get(inside, inside)
    raise CannotAsk(f"{path} of the gateway comes from no secret")


def _env(container: Object) -> dict[str, str]:
    return {entry["name"]: str(entry.get("value") or "") for entry in container.get("env") or ()}


def _content(secret: Object, key: str) -> bytes:
    try:
        return base64.b64decode((secret.get("data") or {})[key])
    except (KeyError, binascii.Error):
        raise CannotAsk(f"the secret {secret['metadata']['name']} has no key {key}") from None
