"""RDS on moto's server: an instance and what it needs. Source: boto3's RDS reference."""

from typing import Any, Final

from lab.pulumi_standins.aws import rules
from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.resource import Resource, given
from lab.pulumi_standins.kind import Live
from lab.pulumi_standins.sdk_types import Problem
from lab.pulumi_standins.wire import Properties


class Instance(Resource):
    """A database server; its id is the one that RDS calls DBInstanceIdentifier.

    ``manageMasterUserPassword`` is not in moto: the secret that RDS would make is given an ARN and does not exist.
    """

    autoname = "identifier"
    force_new = frozenset(
        {
            "identifier",
            "engine",
            "username",
            "storageEncrypted",
            "kmsKeyId",
            "dbSubnetGroupName",
            "dbName",
            "availabilityZone",
        }
    )
    _DECLARED: Final = {
        "instanceClass": "DBInstanceClass",
        "engine": "Engine",
        "engineVersion": "EngineVersion",
        "allocatedStorage": "AllocatedStorage",
        "maxAllocatedStorage": "MaxAllocatedStorage",
        "storageType": "StorageType",
        "storageEncrypted": "StorageEncrypted",
        "kmsKeyId": "KmsKeyId",
        "dbName": "DBName",
        "dbSubnetGroupName": "DBSubnetGroupName",
        "parameterGroupName": "DBParameterGroupName",
        "vpcSecurityGroupIds": "VpcSecurityGroupIds",
        "username": "MasterUsername",
        "password": "MasterUserPassword",
        "multiAz": "MultiAZ",
        "backupRetentionPeriod": "BackupRetentionPeriod",
        "publiclyAccessible": "PubliclyAccessible",
        "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
        "copyTagsToSnapshot": "CopyTagsToSnapshot",
        "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    }
    _REPORTED: Final = (
        "instanceClass",
        "engine",
        "allocatedStorage",
        "storageEncrypted",
        "multiAz",
        "backupRetentionPeriod",
    )
    _CHANGED: Final = ("instanceClass", "allocatedStorage", "multiAz", "backupRetentionPeriod", "engineVersion")

    def check(self, inputs: Properties) -> list[Problem]:
        """Exactly one source of the password, and a name for the last snapshot unless it is skipped."""
        found: list[Problem] = []
        if inputs.get("manageMasterUserPassword") and inputs.get("password"):
            found.append(("password", "conflicts with manageMasterUserPassword"))
        if not inputs.get("skipFinalSnapshot") and not inputs.get("finalSnapshotIdentifier"):
            found.append(("finalSnapshotIdentifier", "required when skipFinalSnapshot is false"))
        return found

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateDBInstance."""
        rules.database(inputs)
        asked = given(inputs, **self._DECLARED)
        asked.setdefault("MasterUserPassword", "kept-by-secrets-manager")
        clients["rds"].create_db_instance(
            DBInstanceIdentifier=inputs["identifier"],
            DeletionProtection=bool(inputs.get("deletionProtection")),
            Tags=clients.tag_list(inputs),
            **asked,
        )
        return str(inputs["identifier"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeDBInstances."""
        found = aws["rds"].describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
        live: Properties = {"identifier": identifier}
        live |= {n: found[self._DECLARED[n]] for n in self._REPORTED if self._DECLARED[n] in found}
        where = found.get("Endpoint", {})
        secret = f"arn:aws:secretsmanager:{aws.region}:{aws.account}:secret:rds!db-{identifier}"
        outputs: Properties = {
            "arn": found["DBInstanceArn"],
            "address": where.get("Address", ""),
            "port": where.get("Port", 5432),
            "endpoint": f"{where.get('Address', '')}:{where.get('Port', 5432)}",
            "resourceId": found.get("DbiResourceId", ""),
            "status": found["DBInstanceStatus"],
            "masterUserSecrets": [{"secretArn": secret, "secretStatus": "active", "kmsKeyId": ""}],
        }
        return Live(live, {**live, **outputs})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """ModifyDBInstance."""
        changed = {name for name in self._CHANGED if old.get(name) != new.get(name)}
        asked = given(new, **{name: self._DECLARED[name] for name in changed})
        clients["rds"].modify_db_instance(
            DBInstanceIdentifier=identifier,
            ApplyImmediately=True,
            DeletionProtection=bool(new.get("deletionProtection")),
            **asked,
        )

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteDBInstance, which refuses a protected one."""
        rules.deletion("DBInstance", state)
        last: dict[str, Any] = {"SkipFinalSnapshot": bool(state.get("skipFinalSnapshot"))}
        if not last["SkipFinalSnapshot"]:
            last["FinalDBSnapshotIdentifier"] = state["finalSnapshotIdentifier"]
        aws["rds"].delete_db_instance(DBInstanceIdentifier=identifier, **last)


class SubnetGroup(Resource):
    """The subnets of a server; its id is its name."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateDBSubnetGroup."""
        subnets = (
            clients["ec2"].describe_subnets(SubnetIds=inputs["subnetIds"])["Subnets"] if inputs["subnetIds"] else []
        )
        rules.subnet_group([subnet["AvailabilityZone"] for subnet in subnets])
        clients["rds"].create_db_subnet_group(
            DBSubnetGroupName=inputs["name"],
            DBSubnetGroupDescription=inputs.get("description", "Managed by Pulumi"),
            SubnetIds=inputs["subnetIds"],
            Tags=clients.tag_list(inputs),
        )
        return str(inputs["name"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeDBSubnetGroups."""
        found = aws["rds"].describe_db_subnet_groups(DBSubnetGroupName=identifier)["DBSubnetGroups"][0]
        live = {"name": identifier}
        return Live(live, {**live, "arn": found.get("DBSubnetGroupArn", ""), "vpcId": found.get("VpcId", "")})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """ModifyDBSubnetGroup."""
        clients["rds"].modify_db_subnet_group(DBSubnetGroupName=identifier, SubnetIds=new["subnetIds"])
        # moto 5 takes a changed group out of its list and does not put it back (rds/models.py, modify_db_subnet_group).
        if self.read(clients, identifier, new) is None:
            self.create(clients, {**new, "name": identifier})

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteDBSubnetGroup."""
        aws["rds"].delete_db_subnet_group(DBSubnetGroupName=identifier)


class ParameterGroup(Resource):
    """Settings of a server; its id is its name."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix", "family", "description"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateDBParameterGroup and ModifyDBParameterGroup."""
        clients["rds"].create_db_parameter_group(
            DBParameterGroupName=inputs["name"],
            DBParameterGroupFamily=inputs["family"],
            Description=inputs.get("description", "Managed by Pulumi"),
        )
        self._set(clients, inputs)
        return str(inputs["name"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeDBParameterGroups."""
        found = aws["rds"].describe_db_parameter_groups(DBParameterGroupName=identifier)["DBParameterGroups"]
        live = {"name": identifier}
        return Live(live, {**live, "arn": found[0].get("DBParameterGroupArn", "")}) if found else None

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """ModifyDBParameterGroup."""
        self._set(clients, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteDBParameterGroup."""
        aws["rds"].delete_db_parameter_group(DBParameterGroupName=identifier)

    def _set(self, aws: Clients, inputs: Properties) -> None:
        listed = [
            {"ParameterName": p["name"], "ParameterValue": p["value"], "ApplyMethod": p.get("applyMethod", "immediate")}
            for p in inputs.get("parameters") or []
        ]
        if listed:
            aws["rds"].modify_db_parameter_group(DBParameterGroupName=inputs["name"], Parameters=listed)


KINDS: Final = {
    "aws:rds/instance:Instance": Instance(),
    "aws:rds/subnetGroup:SubnetGroup": SubnetGroup(),
    "aws:rds/parameterGroup:ParameterGroup": ParameterGroup(),
}
