"""Secrets Manager: secrets and their values. Source: boto3's Secrets Manager reference."""

from typing import Final

from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.resource import Resource, as_tags, given
from lab.pulumi_standins.kind import Live, tag_changes
from lab.pulumi_standins.wire import Properties


class Secret(Resource):
    """A secret without its value; its id is its ARN. One whose deletion is scheduled counts as gone."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateSecret."""
        made = clients["secretsmanager"].create_secret(
            Name=inputs["name"], Tags=clients.tag_list(inputs), **given(inputs, "description", "kmsKeyId")
        )
        return str(made["ARN"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeSecret."""
        found = aws["secretsmanager"].describe_secret(SecretId=identifier)
        if found.get("DeletedDate"):
            return None
        tags = as_tags(found.get("Tags"))
        live: Properties = {"name": found["Name"]}
        live |= {"description": found["Description"]} if found.get("Description") else {}
        if tags:
            live["tags"] = {key: value for key, value in tags.items() if key in (state.get("tags") or tags)}
        return Live(live, {**live, "arn": identifier, "tagsAll": tags})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """UpdateSecret and tags."""
        secrets = clients["secretsmanager"]
        secrets.update_secret(SecretId=identifier, **given(new, "description", "kmsKeyId"))
        gone, changed = tag_changes(old, new)
        if gone:
            secrets.untag_resource(SecretId=identifier, TagKeys=gone)
        if changed:
            secrets.tag_resource(SecretId=identifier, Tags=[{"Key": k, "Value": v} for k, v in changed.items()])

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteSecret; a window of 0 days means at once."""
        days = state.get("recoveryWindowInDays", 30)
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        aws["secretsmanager"].delete_secret(SecretId=identifier, **how)


class Version(Resource):
    """A value of a secret; its id names the secret and the version. Deleting it leaves the value to its secret."""

    force_new = frozenset({"secretId"})
    secret_outputs = frozenset({"secretString", "secretBinary"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """PutSecretValue."""
        made = clients["secretsmanager"].put_secret_value(
            SecretId=inputs["secretId"], SecretString=inputs["secretString"]
        )
        return f"{inputs['secretId']}|{made['VersionId']}"

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """GetSecretValue."""
        secret, _, version = identifier.partition("|")
        found = aws["secretsmanager"].get_secret_value(SecretId=secret)
        live = {"secretId": secret, "secretString": found["SecretString"]}
        return Live(live, {**live, "arn": found["ARN"], "versionId": version})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """PutSecretValue."""
        self.create(clients, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """The version that is current cannot be removed; the real plugin leaves it as well."""


KINDS: Final = {
    "aws:secretsmanager/secret:Secret": Secret(),
    "aws:secretsmanager/secretVersion:SecretVersion": Version(),
}
