"""What a cluster that the stand-in for AWS made does for whoever uses its API: whether it answers, and makes volumes.

Nothing listens behind moto's clusters, so what their endpoints and security groups let in is asked before each call.
"""

import itertools
import json
import os
from typing import Any, Final

from lab.pulumi_standins.aws import rules
from lab.pulumi_standins.aws.clients import EMULATED_VARIABLE, Clients
from lab.pulumi_standins.aws.eks import CLUSTER, group_name
from lab.pulumi_standins.aws.emulated import noted
from lab.pulumi_standins.wire import Properties

CALLER_VARIABLE: Final = "STANDIN_CALLER"
"""The address that programs call from: where it is not set, one of those that are kept for examples."""
_CALLER: Final = "203.0.113.7"


def knock(kubeconfig: str) -> None:
    """Let those pass who would have an answer, and whoever's cluster is none of EKS.

    Args:
        kubeconfig: Its text, or a path.

    Raises:
        ConnectionError: The endpoint is not reached, in the words of the real plugin.
    """
    asked = _asked(kubeconfig)
    cluster = _made(asked)
    if cluster is None:
        return
    try:
        rules.endpoint(cluster["vpcConfig"], os.environ.get(CALLER_VARIABLE) or _CALLER, _let_in(asked))
    except rules.Broken as error:
        raise ConnectionError(
            f"configured Kubernetes cluster is unreachable: unable to load schema information from the API server: {error}"
        ) from error


def makes_volumes(kubeconfig: str, provisioner: str) -> bool:
    """Whether something in the cluster serves the classes of a provisioner: Auto Mode, or an add-on that has a role."""
    asked = _asked(kubeconfig)
    cluster = _made(asked)
    if cluster is None:
        return True
    auto = bool(((cluster.get("storageConfig") or {}).get("blockStorage") or {}).get("enabled"))
    addon = noted("addon").get(f"{asked['--cluster-name']}:aws-ebs-csi-driver") or {}
    with_role = bool(addon.get("podIdentityAssociations") or addon.get("serviceAccountRoleArn"))
    return {"ebs.csi.eks.amazonaws.com": auto, "ebs.csi.aws.com": with_role}.get(provisioner, False)


def _made(asked: dict[str, str]) -> Properties | None:
    """What a cluster was made with; ``None`` where the stand-in did not make it."""
    return noted(CLUSTER).get(asked.get("--cluster-name", "")) if EMULATED_VARIABLE in os.environ else None


def _asked(kubeconfig: str) -> dict[str, str]:
    """The options of ``aws eks get-token``, with which kubeconfigs of EKS get their tokens."""
    if '"get-token"' not in kubeconfig:
        return {}
    args: list[str] = json.loads(kubeconfig)["users"][0]["user"]["exec"]["args"]
    return dict(itertools.pairwise(args))


def _let_in(asked: dict[str, str]) -> list[str]:
    ec2 = Clients({"region": asked["--region"]})["ec2"]
    named = [{"Name": "group-name", "Values": [group_name(asked["--cluster-name"])]}]
    groups: list[dict[str, Any]] = ec2.describe_security_groups(Filters=named)["SecurityGroups"]
    opened = [rule for group in groups for rule in group["IpPermissions"] if rule.get("FromPort") == 443]
    return [each["CidrIp"] for rule in opened for each in rule["IpRanges"]]
