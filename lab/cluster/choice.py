"""Which Kubernetes the cluster is: the pinned one, or another that the variable ``KUBERNETES`` names (``KUBERNETES=1.36``).

Another version has a folder of its own with Kubernetes' parts; all others are those of the pinned build, by links. Its etcd is
new enough for each: Kubernetes 1.36 and 1.37 want 3.5.24 (``cmd/kubeadm/app/constants``, ``MinExternalEtcdVersion``).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab.built_once import built_once, cache_root
from lab.cluster import pins, recipes
from lab.errors import ClusterError

VARIABLE: Final = "KUBERNETES"
OTHERS: Final[Mapping[str, str]] = {"1.36": "1.36.3", "1.37": "1.37.2"}
"""Each other version, and the patch of it that is built."""


def kubernetes(chosen: str | None = None) -> str:
    """The version, with its patch.

    Args:
        chosen: A version as ``1.36``; without one what the variable says.

    Raises:
        ClusterError: It is none of those that are known.
    """
    wanted = os.environ.get(VARIABLE, "") if chosen is None else chosen
    pinned = pins.KUBERNETES.rpartition(".")[0]
    known = {"": pins.KUBERNETES, pinned: pins.KUBERNETES, **OTHERS}
    if wanted not in known:
        raise ClusterError("build", f"{VARIABLE}={wanted} is none of {', '.join([pinned, *OTHERS])}")
    return known[wanted]


def cache_folder() -> Path:
    """The folder of the build that is chosen: ``bin``, ``images`` and ``keda.yaml``."""
    version = kubernetes()
    pinned = pins.cache_folder()
    return pinned if version == pins.KUBERNETES else cache_root() / f"{pinned.name}-kubernetes-{version}"


def build_other() -> Path:
    """Build the parts of a Kubernetes that is not the pinned one, beside a pinned build that is there."""
    return built_once(cache_folder(), _make)


def _make(half: Path, scratch: Path) -> None:
    pinned = pins.cache_folder()
    (half / "bin").mkdir()
    with _recipe_of(kubernetes()):
        recipes.kubernetes(scratch, half)
    (half / "bin/etcd").symlink_to(pinned / "bin/etcd")
    for name in ("images", "keda.yaml"):
        (half / name).symlink_to(pinned / name)


@contextmanager
def _recipe_of(version: str) -> Iterator[None]:
    """The recipe builds what is pinned; the name of every build is a hash of it, so that it stays as it is."""
    name = "KUBERNETES"
    before = getattr(pins, name)
    setattr(pins, name, version)
    try:
        yield
    finally:
        setattr(pins, name, before)
