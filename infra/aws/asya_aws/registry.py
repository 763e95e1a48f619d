"""A registry for one mesh's images in ECR, and a cache of other projects' images, which then come from the account itself."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi

ROOMS: Final = ("operator", "sidecar", "crew", "gateway")
CACHE: Final = "asya-cache"
"""Begins the repositories of caches; nodes may make those, see ``policies.node``."""
UPSTREAMS: Final[Mapping[str, str]] = {
    "k8s": "registry.k8s.io",
    "quay": "quay.io",
    # Docker's official images are there as docker/library/NAME, without the limits of Docker Hub.
    "ecr-public": "public.ecr.aws",
}
"""Those that ECR caches without an account of theirs.

Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html
"""
KEPT: Final = 30
UNTAGGED_DAYS: Final = 7


class ImageRegistry(pulumi.ComponentResource):
    """Repositories of the mesh's images, and of the account's own actors, and caches.

    Args:
        name: Begins the repositories' names: ``NAME/asya-operator``.
        actors: Repositories of actors, as ``NAME/ACTOR``.
        caches: Upstream registries by the prefix that they get below ``asya-cache/``.
        credentials: For upstreams that ask for an account, by the same prefix: ARN of a secret whose name begins with
            ``ecr-pullthroughcache/``.
        opts: With the provider.
    """

    registry: pulumi.Output[str]
    """What `asya:registry` is set to."""

    def __init__(
        self,
        name: str = "asya",
        *,
        actors: Sequence[str] = (),
        caches: Mapping[str, str] = UPSTREAMS,
        credentials: Mapping[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("asya:aws:ImageRegistry", name, {}, opts)
        from pulumi_aws import ecr

        child = pulumi.ResourceOptions(parent=self)
        made: list[Any] = []
        for image in (*(f"asya-{room}" for room in ROOMS), *actors):
            repository = ecr.Repository(
                f"{name}-{image}",
                name=f"{name}/{image}",
                # A tag that could mean something else tomorrow is no version.
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration={"scan_on_push": True},
                opts=child,
            )
            ecr.LifecyclePolicy(
                f"{name}-{image}", repository=repository.name, policy=json.dumps(lifecycle()), opts=child
            )
            made.append(repository)
        for prefix, upstream in caches.items():
            secret = (credentials or {}).get(prefix)
            ecr.PullThroughCacheRule(
                f"{name}-{prefix}",
                ecr_repository_prefix=f"{CACHE}/{prefix}",
                upstream_registry_url=upstream,
                opts=child,
                **({"credential_arn": secret} if secret is not None else {}),
            )
        self.registry = made[0].repository_url.apply(lambda url: url.rpartition("/")[0])
        self.register_outputs({"registry": self.registry})


def lifecycle() -> dict[str, Any]:
    """What ECR deletes by itself: builds that nobody named, and all but the last versions. Pure."""
    expire = {"type": "expire"}
    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }
    old = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT}
    return {
        "rules": [
            {"rulePriority": place, "selection": selection, "action": expire}
            for place, selection in enumerate((untagged, old), 1)
        ]
    }
