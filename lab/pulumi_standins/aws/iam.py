"""IAM: roles and their policies. Source: boto3's IAM reference."""

import json
import urllib.parse
from typing import Any, Final

from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.resource import Resource, as_tags, given
from lab.pulumi_standins.kind import Live, tag_changes
from lab.pulumi_standins.sdk_types import Problem
from lab.pulumi_standins.wire import Properties

_LONGEST_NAME: Final = 64
_VERSION: Final = "2012-10-17"


class Role(Resource):
    """A role; its id is its name."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix", "path"})

    def check(self, inputs: Properties) -> list[Problem]:
        """A name's length, and a trust policy that is a policy."""
        found = _policy_problems("assumeRolePolicy", inputs.get("assumeRolePolicy"))
        name = inputs.get("name")
        if isinstance(name, str) and len(name) > _LONGEST_NAME:
            found.append(("name", f"longer than {_LONGEST_NAME} characters: {name}"))
        return found

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateRole, then what was given inline."""
        made = clients["iam"].create_role(
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Tags=clients.tag_list(inputs),
            **given(inputs, "description", "path", "permissionsBoundary", "maxSessionDuration"),
        )
        for arn in inputs.get("managedPolicyArns") or []:
            clients["iam"].attach_role_policy(RoleName=inputs["name"], PolicyArn=arn)
        for policy in inputs.get("inlinePolicies") or []:
            clients["iam"].put_role_policy(
                RoleName=inputs["name"], PolicyName=policy["name"], PolicyDocument=policy["policy"]
            )
        return str(made["Role"]["RoleName"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """GetRole."""
        role = aws["iam"].get_role(RoleName=identifier)["Role"]
        tags = as_tags(aws["iam"].list_role_tags(RoleName=identifier).get("Tags"))
        live = {
            "name": identifier,
            "assumeRolePolicy": _document(role["AssumeRolePolicyDocument"]),
            "path": role["Path"],
        }
        live |= {"description": role["Description"]} if role.get("Description") else {}
        if tags:
            live["tags"] = {key: value for key, value in tags.items() if key in (state.get("tags") or tags)}
        named = {"arn": role["Arn"], "uniqueId": role["RoleId"], "tagsAll": tags}
        return Live(live, {**live, **named})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """UpdateAssumeRolePolicy, UpdateRole, tags."""
        iam = clients["iam"]
        iam.update_assume_role_policy(RoleName=identifier, PolicyDocument=new["assumeRolePolicy"])
        if old.get("description") != new.get("description"):
            iam.update_role(RoleName=identifier, Description=new.get("description", ""))
        gone, changed = tag_changes(old, new)
        if gone:
            iam.untag_role(RoleName=identifier, TagKeys=gone)
        if changed:
            iam.tag_role(RoleName=identifier, Tags=[{"Key": k, "Value": v} for k, v in changed.items()])

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteRole, after what was given inline; policies that are resources of their own are gone by then."""
        iam = aws["iam"]
        for arn in state.get("managedPolicyArns") or []:
            iam.detach_role_policy(RoleName=identifier, PolicyArn=arn)
        for policy in state.get("inlinePolicies") or []:
            iam.delete_role_policy(RoleName=identifier, PolicyName=policy["name"])
        iam.delete_role(RoleName=identifier)


class RolePolicy(Resource):
    """A policy inside a role; its id is ``role:name``."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix", "role"})

    def check(self, inputs: Properties) -> list[Problem]:
        """A policy that is a policy."""
        return _policy_problems("policy", inputs.get("policy"))

    def create(self, clients: Clients, inputs: Properties) -> str:
        """PutRolePolicy."""
        clients["iam"].put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )
        return f"{inputs['role']}:{inputs['name']}"

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """GetRolePolicy."""
        role, _, name = identifier.partition(":")
        found = aws["iam"].get_role_policy(RoleName=role, PolicyName=name)
        return Live({"role": role, "name": name, "policy": _document(found["PolicyDocument"])})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """PutRolePolicy."""
        role, _, name = identifier.partition(":")
        clients["iam"].put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=new["policy"])

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteRolePolicy."""
        role, _, name = identifier.partition(":")
        aws["iam"].delete_role_policy(RoleName=role, PolicyName=name)


class Policy(Resource):
    """A managed policy; its id is its ARN. An update is a new default version, and the old one goes."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix", "path", "description"})

    def check(self, inputs: Properties) -> list[Problem]:
        """A policy that is a policy."""
        return _policy_problems("policy", inputs.get("policy"))

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreatePolicy."""
        made = clients["iam"].create_policy(
            PolicyName=inputs["name"], PolicyDocument=inputs["policy"], **given(inputs, "description", "path")
        )
        return str(made["Policy"]["Arn"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """GetPolicy and the version that counts."""
        policy = aws["iam"].get_policy(PolicyArn=identifier)["Policy"]
        version = aws["iam"].get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        live = {"name": policy["PolicyName"], "policy": _document(version["PolicyVersion"]["Document"])}
        return Live(live, {**live, "arn": identifier, "policyId": policy["PolicyId"]})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """CreatePolicyVersion and DeletePolicyVersion."""
        before = clients["iam"].get_policy(PolicyArn=identifier)["Policy"]["DefaultVersionId"]
        clients["iam"].create_policy_version(PolicyArn=identifier, PolicyDocument=new["policy"], SetAsDefault=True)
        clients["iam"].delete_policy_version(PolicyArn=identifier, VersionId=before)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeletePolicy."""
        aws["iam"].delete_policy(PolicyArn=identifier)


class Attachment(Resource):
    """A managed policy on a role; its id names both."""

    force_new = frozenset({"role", "policyArn"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """AttachRolePolicy."""
        clients["iam"].attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return f"{inputs['role']}/{inputs['policyArn']}"

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """ListAttachedRolePolicies."""
        role, _, arn = identifier.partition("/")
        attached = aws["iam"].list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return Live({"role": role, "policyArn": arn}) if any(p["PolicyArn"] == arn for p in attached) else None

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DetachRolePolicy."""
        role, _, arn = identifier.partition("/")
        aws["iam"].detach_role_policy(RoleName=role, PolicyArn=arn)


def _document(value: Any) -> str:
    # boto3 decodes it where the service answers as AWS does; emulators also answer with the quoted text.
    return json.dumps(value) if isinstance(value, dict) else urllib.parse.unquote(str(value))


def _policy_problems(path: str, value: Any) -> list[Problem]:
    if not isinstance(value, str) or not value.startswith("{"):
        return []
    document = json.loads(value)
    if document.get("Version") != _VERSION:
        return [(path, f"a policy's Version is {_VERSION}")]
    known = {
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
    }
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    return [(path, f"a statement has no {key}") for s in statements for key in sorted(s.keys() - known)]


KINDS: Final = {
    "aws:iam/role:Role": Role(),
    "aws:iam/rolePolicy:RolePolicy": RolePolicy(),
    "aws:iam/policy:Policy": Policy(),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Attachment(),
}
