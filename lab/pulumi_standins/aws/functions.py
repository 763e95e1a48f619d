"""The functions of pulumi_aws that programs call: who and where they are, and policy documents."""

import json
from collections.abc import Callable
from typing import Any, Final

from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.wire import Properties


def _caller(aws: Clients, _: Properties) -> Properties:
    found = aws["sts"].get_caller_identity()
    return {"accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"], "id": found["Account"]}


def _region(aws: Clients, _: Properties) -> Properties:
    endpoint = f"ec2.{aws.region}.amazonaws.com"
    return {"name": aws.region, "id": aws.region, "region": aws.region, "endpoint": endpoint, "description": ""}


def _partition(aws: Clients, _: Properties) -> Properties:
    return {"partition": "aws", "dnsSuffix": "amazonaws.com", "id": "aws", "reverseDnsPrefix": "com.amazonaws"}


def _zones(aws: Clients, arguments: Properties) -> Properties:
    """All of them: moto has no Local Zones and does not know the filter by opt-in status."""
    unwanted = arguments.get("excludeZoneIds") or ()
    listed = aws["ec2"].describe_availability_zones()["AvailabilityZones"]
    zones = [zone for zone in listed if zone["ZoneId"] not in unwanted]
    names = sorted(zone["ZoneName"] for zone in zones)
    return {"names": names, "zoneIds": [zone["ZoneId"] for zone in zones], "id": aws.region, "groupNames": [aws.region]}


def _addon_version(aws: Clients, arguments: Properties) -> Properties:
    """Moto has no add-ons; a version per Kubernetes is all that programs see of them."""
    version = f"v{arguments['kubernetesVersion']}.0-eksbuild.1"
    return {"addonName": arguments["addonName"], "version": version, "id": arguments["addonName"]}


def _session(aws: Clients, arguments: Properties) -> Properties:
    return {"arn": arguments["arn"], "issuerArn": arguments["arn"], "id": arguments["arn"]}


def _endpoint_service(aws: Clients, arguments: Properties) -> Properties:
    name = f"com.amazonaws.{aws.region}.{arguments['service']}"
    return {"serviceName": name, "service": arguments["service"], "id": name, "serviceType": "Interface"}


def _cluster(aws: Clients, arguments: Properties) -> Properties:
    found = aws["eks"].describe_cluster(name=arguments["name"])["cluster"]
    return {
        "name": found["name"], "id": found["name"], "arn": found["arn"], "endpoint": found["endpoint"],
        "certificateAuthorities": [found["certificateAuthority"]], "version": found["version"], "status": found["status"],
        "roleArn": found["roleArn"],
    }  # fmt: skip


def _log_groups(aws: Clients, arguments: Properties) -> Properties:
    prefix = arguments.get("logGroupNamePrefix", "")
    found = aws["logs"].describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    names = [group["logGroupName"] for group in found]
    return {"logGroupNames": names, "arns": [group["arn"] for group in found], "id": aws.region}


def _log_group(aws: Clients, arguments: Properties) -> Properties:
    name = arguments["name"]
    return {"name": name, "id": name, "tags": aws["logs"].list_tags_log_group(logGroupName=name).get("tags") or {}}


def _policy_document(aws: Clients, arguments: Properties) -> Properties:
    statements = [_statement(statement) for statement in arguments.get("statements") or []]
    text = json.dumps({"Version": arguments.get("version", "2012-10-17"), "Statement": statements})
    return {"json": text, "minifiedJson": text, "id": str(abs(hash(text)))}


def _statement(given: Properties) -> dict[str, Any]:
    named = {"sid": "Sid", "actions": "Action", "notActions": "NotAction", "resources": "Resource"}
    statement: dict[str, Any] = {"Effect": given.get("effect", "Allow")}
    statement |= {key: given[name] for name, key in named.items() if given.get(name)}
    if given.get("principals"):
        statement["Principal"] = {p["type"]: p["identifiers"] for p in given["principals"]}
    conditions: dict[str, dict[str, Any]] = {}
    for condition in given.get("conditions") or []:
        conditions.setdefault(condition["test"], {})[condition["variable"]] = condition["values"]
    return statement | ({"Condition": conditions} if conditions else {})


FUNCTIONS: Final[dict[str, Callable[[Clients, Properties], Properties]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:eks/getCluster:getCluster": _cluster,
    "aws:cloudwatch/getLogGroup:getLogGroup": _log_group,
    "aws:cloudwatch/getLogGroups:getLogGroups": _log_groups,
    "aws:eks/getAddonVersion:getAddonVersion": _addon_version,
    "aws:iam/getSessionContext:getSessionContext": _session,
    "aws:ec2/getVpcEndpointService:getVpcEndpointService": _endpoint_service,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
}
