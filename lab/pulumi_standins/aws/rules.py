"""Rules of AWS that neither LocalStack nor moto keeps, each as a question whose answer is AWS's own error. Pure.

``docs/environments.md`` lists them with their sources.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

UNFIT_ZONES: Final = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})
_PASSWORD: Final = re.compile(r"[!#-.0-?A-~]{8,128}")
_IDENTIFIER: Final = re.compile(r"[a-z]([a-z0-9]|-(?!-))*(?<!-)")
_ARM: Final = re.compile(r"(a1|[a-z]+\d+g[a-z]*)\.")


class Broken(RuntimeError):
    """AWS would refuse the call; the text is its error's code and message."""


def zones_of_a_cluster(made_with: Collection[str], asked: Collection[str], ids: Collection[str] = ()) -> None:
    """A cluster's subnets keep to the zones that it was made with, and some zones have no control plane."""
    unfit = sorted(UNFIT_ZONES & set(ids))
    if unfit:
        raise Broken(f"UnsupportedAvailabilityZoneException: {', '.join(unfit)} cannot host a control plane")
    if made_with and set(made_with) != set(asked):
        raise Broken(
            f"InvalidParameterException: subnets belong to the AZs {sorted(asked)}, but should belong to the exact set of "
            f"AZs {sorted(made_with)} in which subnets were provided during cluster creation"
        )


def auto_mode(inputs: Mapping[str, Any]) -> None:
    """Compute, volumes and load balancing of Auto Mode are on or off together, and it brings its own add-ons."""
    network = inputs.get("kubernetesNetworkConfig") or {}
    switches = (
        inputs.get("computeConfig") or {},
        (inputs.get("storageConfig") or {}).get("blockStorage") or {},
        network.get("elasticLoadBalancing") or {},
    )
    on = {bool(each.get("enabled")) for each in switches}
    if len(on) > 1:
        raise Broken(
            "InvalidParameterException: For EKS Auto Mode, please ensure that all required configs, including "
            "computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled"
        )
    if on == {True} and inputs.get("bootstrapSelfManagedAddons") is not False:
        raise Broken("InvalidParameterException: with EKS Auto Mode bootstrapSelfManagedAddons must be false")


def scaling(config: Mapping[str, Any]) -> None:
    """The number that runs lies between the least and the most."""
    least, most, wanted = (int(config[key]) for key in ("minSize", "maxSize", "desiredSize"))
    if least > wanted:
        raise Broken(f"InvalidParameterException: Minimum capacity {least} can't be greater than desired size {wanted}")
    if most < wanted:
        raise Broken(f"InvalidParameterException: desired capacity {wanted} can't be greater than max size {most}")


def architecture(image: str, types: Collection[str]) -> None:
    """A node's image is of its instance's architecture."""
    wrong = sorted(each for each in types if image and bool(_ARM.match(each)) != ("ARM_64" in image))
    if wrong:
        raise Broken(f"InvalidParameterException: {wrong} is not a valid instance type for requested amiType {image}")


def deletion(noun: str, state: Mapping[str, Any]) -> None:
    """What is protected by AWS itself is not deleted, whatever Pulumi thinks of it."""
    if state.get("deletionProtection"):
        raise Broken(f"InvalidRequestException: Cannot delete {noun}: deletion protection is enabled")


def database(inputs: Mapping[str, Any]) -> None:
    """Password and name of an RDS instance."""
    password = inputs.get("password")
    if isinstance(password, str) and not _PASSWORD.fullmatch(password):
        raise Broken(
            "InvalidParameterValue: MasterUserPassword must be 8 to 128 printable ASCII characters besides '/', '@', "
            "'\"', ' '"
        )
    if not _IDENTIFIER.fullmatch(str(inputs.get("identifier") or "a")):
        raise Broken(f"InvalidParameterValue: DBInstanceIdentifier {inputs['identifier']} is not a valid identifier")


def subnet_group(zones: Collection[str]) -> None:
    """A database's subnets lie in two zones at least."""
    if len(set(zones)) < 2:
        raise Broken("DBSubnetGroupDoesNotCoverEnoughAZs: subnets must cover at least two Availability Zones")


def association(subnet: str, tables: Collection[str]) -> None:
    """A subnet has one route table."""
    if subnet and tables:
        raise Broken(f"Resource.AlreadyAssociated: {subnet} is associated with {', '.join(sorted(tables))} already")


def endpoint(network: Mapping[str, Any], caller: str, sources: Collection[str]) -> None:
    """A cluster's API answers from the public networks that it names, and privately whom its security group lets in.

    Args:
        network: The cluster's ``vpcConfig``.
        caller: Address of whoever asks.
        sources: Networks that the group lets in at port 443.
    """
    public = (network.get("publicAccessCidrs") or ["0.0.0.0/0"]) if network.get("endpointPublicAccess", True) else []
    private = sources if network.get("endpointPrivateAccess", False) else []
    address = ipaddress.ip_address(caller)
    if not any(address in ipaddress.ip_network(each) for each in (*public, *private)):
        raise Broken("dial tcp 10.60.64.10:443: i/o timeout")
