"""Rules of AWS that the stand-ins keep, because no emulator does: what is refused, and what passes."""

from collections.abc import Callable
from typing import Any

import pytest

from lab.pulumi_standins.aws import rules

pytestmark = pytest.mark.unit

ON = {"enabled": True}
AUTO = {
    "computeConfig": ON,
    "storageConfig": {"blockStorage": ON},
    "kubernetesNetworkConfig": {"elasticLoadBalancing": ON},
    "bootstrapSelfManagedAddons": False,
}
PRIVATE = {"endpointPrivateAccess": True, "endpointPublicAccess": False}
PUBLIC = {"endpointPrivateAccess": True, "endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}
REFUSED: list[tuple[Callable[..., None], tuple[Any, ...], str]] = [
    (rules.zones_of_a_cluster, ({"a", "b"}, {"a", "b", "c"}), "exact set of AZs"),
    (rules.zones_of_a_cluster, ((), {"a"}, {"use1-az3"}), "UnsupportedAvailabilityZoneException: use1-az3"),
    (rules.auto_mode, ({"computeConfig": ON},), "fully enabled or fully disabled"),
    (rules.auto_mode, ({**AUTO, "bootstrapSelfManagedAddons": True},), "bootstrapSelfManagedAddons must be false"),
    (rules.scaling, ({"minSize": 3, "maxSize": 4, "desiredSize": 2},), "can't be greater than desired size 2"),
    (rules.scaling, ({"minSize": 1, "maxSize": 4, "desiredSize": 5},), "greater than max size 4"),
    (rules.architecture, ("AL2023_x86_64_STANDARD", ["t4g.large"]), "not a valid instance type"),
    (rules.architecture, ("AL2023_ARM_64_STANDARD", ["g5.xlarge"]), "not a valid instance type"),
    (rules.deletion, ("cluster", {"deletionProtection": True}), "deletion protection is enabled"),
    (rules.database, ({"password": "p@ss-word"},), "MasterUserPassword"),
    (rules.database, ({"password": "short"},), "MasterUserPassword"),
    (rules.database, ({"identifier": "asya-dev_1"},), "not a valid identifier"),
    (rules.database, ({"identifier": "asya--dev"},), "not a valid identifier"),
    (rules.subnet_group, ([],), "at least two Availability Zones"),
    (rules.association, ("subnet-1", ["rtb-1"]), "Resource.AlreadyAssociated"),
    (rules.endpoint, (PRIVATE, "203.0.113.7", ()), "443: i/o timeout"),
    (rules.endpoint, (PRIVATE, "10.9.8.7", ()), "443: i/o timeout"),
    (rules.endpoint, (PRIVATE, "10.9.8.7", ["10.8.0.0/16"]), "443: i/o timeout"),
    (rules.endpoint, (PUBLIC, "198.51.100.1", ()), "443: i/o timeout"),
    (rules.endpoint, (PUBLIC, "198.51.100.1", ["10.9.0.0/16"]), "443: i/o timeout"),
]


@pytest.mark.parametrize(("rule", "given", "said"), REFUSED)
def test_what_aws_would_refuse(rule: Callable[..., None], given: tuple[Any, ...], said: str) -> None:
    with pytest.raises(rules.Broken, match=said):
        rule(*given)


PASSES: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
    (rules.zones_of_a_cluster, ({"a", "b"}, {"a", "b"}, {"use1-az1"})),
    (rules.auto_mode, (AUTO,)),
    (rules.auto_mode, ({},)),
    (rules.scaling, ({"minSize": 2, "maxSize": 4, "desiredSize": 2},)),
    (rules.architecture, ("AL2023_x86_64_NVIDIA", ["g5.xlarge", "m7i.large"])),
    (rules.architecture, ("AL2023_ARM_64_STANDARD", ["t4g.large", "m7g.large", "c7gn.xlarge"])),
    (rules.deletion, ("cluster", {})),
    (rules.database, ({"password": "a-good.one", "identifier": "asya-dev-1"},)),
    (rules.subnet_group, (["a", "b"],)),
    (rules.association, ("subnet-1", [])),
    (rules.endpoint, (PRIVATE, "10.9.8.7", ["10.9.0.0/16"])),
    (rules.endpoint, (PUBLIC, "203.0.113.7", ())),
    (rules.endpoint, ({}, "198.51.100.1", ())),
]


@pytest.mark.parametrize(("rule", "given"), PASSES)
def test_what_aws_would_take(rule: Callable[..., None], given: tuple[Any, ...]) -> None:
    rule(*given)
