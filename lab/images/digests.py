"""``python -m lab.images.digests STACK``: write other projects' images into a stack's settings by digest, the tag beside it.

Digests are those that the registries give for the pinned tags today; run it again after an upgrade. Who cannot reach the
registries runs it where they are reached, or names a mirror in `asya:images` first.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from typing import Final

import httpx2
import yaml

from asya_infra import collector, monitoring
from asya_oss import images
from lab.errors import LabError
from lab.images.publish import settings_file, with_settings

PINNED: Final[Mapping[str, str]] = {
    "rabbitmq": images.RABBITMQ,
    "postgres": images.POSTGRES,
    "seaweedfs": images.SEAWEEDFS,
    "postgres-exporter": images.POSTGRES_EXPORTER,
    "prometheus": monitoring.PROMETHEUS_IMAGE,
    "grafana": monitoring.GRAFANA_IMAGE,
    "opentelemetry-collector": collector.IMAGE,
}
"""By their names in `asya:images`."""
_HUB: Final = ("docker.io", "registry-1.docker.io")
"""What images call Docker Hub, and where its API is."""
_INDEX: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
PATIENCE_S: Final = 30


def main() -> None:
    """Resolve and write; a failure is one line, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m lab.images.digests", description=__doc__)
    parser.add_argument("stack", help="write into Pulumi.STACK.yaml")
    chosen = parser.parse_args()
    try:
        path = settings_file(chosen.stack)
        text = path.read_text(encoding="utf-8")
        named = {**PINNED, **given(text)}
        found = {name: by_digest(image) for name, image in named.items()}
    except LabError as exc:
        print(f"digests: {exc}", file=sys.stderr)
        sys.exit(1)
    path.write_text(with_settings(text, {"asya:images": json.dumps(found)}), encoding="utf-8")
    for image in found.values():
        print(f"digests: {image}")


def given(text: str) -> dict[str, str]:
    """What a settings file has under `asya:images`. Pure.

    Raises:
        LabError: It stands on several lines, which this does not write over.
    """
    line = re.search(r"^  asya:images:(.*)$", text, re.MULTILINE)
    if line is None:
        return {}
    try:
        found = yaml.safe_load(line[1])
        found = json.loads(found) if isinstance(found, str) else found
    except (yaml.YAMLError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise LabError('asya:images stands on several lines; write it on one: asya:images: {"rabbitmq": "..."}')
    return {str(name): str(image) for name, image in found.items()}


def by_digest(image: str) -> str:
    """An image with the digest that its registry gives for its tag.

    Raises:
        LabError: The registry cannot be reached, does not know it, or gives no digest.
    """
    plain = image.partition("@")[0]
    host, _, rest = plain.partition("/")
    path, colon, tag = rest.rpartition(":")
    if not colon:
        raise LabError(f"{image} has no tag")
    host = _HUB[1] if host == _HUB[0] else host
    scheme = "http" if host.partition(":")[0] in {"127.0.0.1", "localhost"} else "https"
    url = f"{scheme}://{host}/v2/{path}/manifests/{tag}"
    try:
        digest = _digest_at(url)
    except httpx2.HTTPError as exc:
        raise LabError(f"{image}: {exc}") from exc
    if _DIGEST.fullmatch(digest) is None:
        raise LabError(f"{image}: {host} gives no digest")
    return f"{plain}@{digest}"


def _digest_at(url: str) -> str:
    headers = {"Accept": _INDEX}
    with httpx2.Client(timeout=PATIENCE_S, follow_redirects=True) as http:
        answer = http.head(url, headers=headers)
        told = answer.headers.get("WWW-Authenticate", "")
        if answer.status_code == 401 and told.lower().startswith("bearer "):
            token = _anonymous_token(http, told, url)
            answer = http.head(url, headers={**headers, "Authorization": f"Bearer {token}"})
        answer.raise_for_status()
        return str(answer.headers.get("Docker-Content-Digest", ""))


def _anonymous_token(http: httpx2.Client, told: str, url: str) -> str:
    """What a registry gives to everybody for images that all may pull.

    Source: https://distribution.github.io/distribution/spec/auth/token/
    """
    parameters = dict(_PARAMETER.findall(told))
    realm = parameters.get("realm", "")
    if not realm.startswith(f"{url.partition('://')[0]}://"):
        raise LabError(f"{url}: its registry sends to {realm!r} for a token")
    asked = {name: parameters[name] for name in ("service", "scope") if name in parameters}
    found = http.get(realm, params=asked).raise_for_status().json()
    return str(found.get("token") or found.get("access_token") or "")


if __name__ == "__main__":
    main()
