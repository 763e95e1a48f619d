"""KMS: keys and their aliases. Source: boto3's KMS reference."""

import json
from typing import Final

from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.resource import Resource, given
from lab.pulumi_standins.kind import Live
from lab.pulumi_standins.sdk_types import Problem
from lab.pulumi_standins.wire import Properties

_GONE: Final = "PendingDeletion"


class Key(Resource):
    """A key; its id is KMS's. Deleting it schedules its deletion, and from then on it counts as gone."""

    force_new = frozenset({"keyUsage", "customerMasterKeySpec", "multiRegion"})

    def check(self, inputs: Properties) -> list[Problem]:
        """The window that KMS keeps a deleted key for."""
        days = inputs.get("deletionWindowInDays", 30)
        wrong = isinstance(days, int) and not 7 <= days <= 30
        return [("deletionWindowInDays", f"expected 7 to 30, got {days}")] if wrong else []

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateKey, then rotation."""
        tags = [{"TagKey": key, "TagValue": value} for key, value in clients.tags(inputs).items()]
        made = clients["kms"].create_key(Tags=tags, **given(inputs, "description", "policy", "keyUsage", "multiRegion"))
        identifier = str(made["KeyMetadata"]["KeyId"])
        if inputs.get("enableKeyRotation"):
            clients["kms"].enable_key_rotation(KeyId=identifier)
        return identifier

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeKey, GetKeyPolicy, GetKeyRotationStatus."""
        found = aws["kms"].describe_key(KeyId=identifier)["KeyMetadata"]
        if found["KeyState"] == _GONE:
            return None
        policy = aws["kms"].get_key_policy(KeyId=identifier, PolicyName="default")["Policy"]
        rotates = aws["kms"].get_key_rotation_status(KeyId=identifier)["KeyRotationEnabled"]
        live = {"description": found["Description"], "enableKeyRotation": rotates}
        live |= {"policy": policy if isinstance(policy, str) else json.dumps(policy)}
        return Live(live, {**live, "arn": found["Arn"], "keyId": identifier})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """PutKeyPolicy, UpdateKeyDescription, rotation."""
        if "policy" in new:
            clients["kms"].put_key_policy(KeyId=identifier, PolicyName="default", Policy=new["policy"])
        if old.get("description") != new.get("description"):
            clients["kms"].update_key_description(KeyId=identifier, Description=new.get("description", ""))
        if old.get("enableKeyRotation") != new.get("enableKeyRotation"):
            verb = "enable" if new.get("enableKeyRotation") else "disable"
            getattr(clients["kms"], f"{verb}_key_rotation")(KeyId=identifier)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """ScheduleKeyDeletion."""
        if self.look(aws, identifier, state) is not None:
            days = state.get("deletionWindowInDays", 30)
            aws["kms"].schedule_key_deletion(KeyId=identifier, PendingWindowInDays=days)


class Alias(Resource):
    """A name of a key; its id is that name."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix"})

    def check(self, inputs: Properties) -> list[Problem]:
        """KMS's prefix; an automatic name gets it from the real plugin too."""
        name = inputs.get("name", "alias/")
        if "name" in inputs.get("__defaults", []) and not name.startswith("alias/"):
            inputs["name"] = f"alias/{name}"
            return []
        return [] if not isinstance(name, str) or name.startswith("alias/") else [("name", "must begin with 'alias/'")]

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateAlias."""
        clients["kms"].create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return str(inputs["name"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """ListAliases."""
        for alias in aws["kms"].list_aliases()["Aliases"]:
            if alias["AliasName"] == identifier:
                # The target is what was given, an id or an ARN; KMS reports the id.
                given_target = str(state.get("targetKeyId", ""))
                same = given_target.endswith(alias["TargetKeyId"])
                live = {"name": identifier, "targetKeyId": given_target if same else alias["TargetKeyId"]}
                return Live(live, {**live, "arn": alias["AliasArn"], "targetKeyArn": given_target})
        return None

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """UpdateAlias."""
        clients["kms"].update_alias(AliasName=identifier, TargetKeyId=new["targetKeyId"])

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteAlias."""
        aws["kms"].delete_alias(AliasName=identifier)


KINDS: Final = {"aws:kms/key:Key": Key(), "aws:kms/alias:Alias": Alias()}
