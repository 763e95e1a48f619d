"""Chooses the cluster of an environment whose settings leave that open. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tools.stack.errors import StackError

NEEDS_ONE: Final = frozenset({"oss", "localstack"})
"""Environments whose cluster is one that exists; others make one or need none."""
CHECKOUT: Final = "in the cluster of `make cluster`"
_NAMED: Final = ("asya:cluster", "asya:kubeconfig")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a machine offers.

    Attributes:
        variable: The value of KUBECONFIG.
        checkout: The kubeconfig of `make cluster`, where that cluster is up.
        user: Whether there is a ``~/.kube/config``.
        kind: Whether kind and a Docker that answers are here.
    """

    variable: str = ""
    checkout: str = ""
    user: bool = False
    kind: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What follows from them.

    Attributes:
        environment: Variables to set.
        settings: Settings to add.
        told: What to say about it; empty when nothing was chosen.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""


def choose(settings: Mapping[str, Any], kind_of: str, here: Surroundings, *, profile: bool, before: str = "") -> Choice:
    """Choose a cluster.

    Args:
        settings: The ``config`` of the environment's file.
        kind_of: The preset, ``asya:environment``.
        here: The machine.
        before: The ``asya:cluster`` that an earlier run chose; kind writes itself into ``~/.kube/config``, and the next run
            must not take that for a cluster of the user's.
        profile: A PROFILE was named: an evaluation, which must not land in whatever cluster ``~/.kube/config`` means.

    Raises:
        StackError: There is none; names the three ways to one.
    """
    if kind_of not in NEEDS_ONE or here.variable or any(settings.get(key) for key in _NAMED):
        return Choice()
    if before == "kind":
        return Choice(settings={"asya:cluster": "kind"}, told="in its kind cluster")
    if here.checkout:
        return Choice({"KUBECONFIG": here.checkout}, told=CHECKOUT)
    if here.user and not profile:
        return Choice(told="in the cluster that ~/.kube/config means")
    if here.kind:
        return Choice(settings={"asya:cluster": "kind"}, told="in a kind cluster of its own")
    raise StackError(
        f"ENV={kind_of} needs a Kubernetes: set KUBECONFIG, or start Docker and install kind (https://kind.sigs.k8s.io), "
        "or run `make cluster`"
    )
